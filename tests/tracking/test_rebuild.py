from __future__ import annotations

import json

import pytest

from scenehue.errors import ArtifactError, UnreachableError
from scenehue.params import TrackingParams
from scenehue.tracking.rebuild import TrackingError, rebuild_run
from scenehue.tracking.runs import CHECKPOINT_TAG, checkpoint_digest, start_run


@pytest.fixture
def trained(repository):
    folder = repository / "artifacts" / "train"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "model.json").write_text("{}")
    (folder / "metrics.json").write_text(
        json.dumps({"epoch": 2, "val_loss": 0.5, "best": {"psnr": 24.5}, "why": "text"})
    )
    (folder / "curves.csv").write_text("epoch,step,val_loss,val_psnr_reg\n1,10,0.9,22\n2,20,0.5,\n")
    return repository


def test_the_run_is_made_from_the_files_and_made_once(tracking, runs, trained):
    run_id = rebuild_run(tracking, trained)
    assert rebuild_run(tracking, trained) == run_id
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert run.data.params["train.epochs"] == "3"
    assert run.data.metrics["best.psnr"] == 24.5
    history = runs.client.get_metric_history(run_id, "val/loss")
    assert [(point.step, point.value) for point in history] == [(10, 0.9), (20, 0.5)]
    assert [point.step for point in runs.client.get_metric_history(run_id, "val/psnr_reg")] == [10]
    assert run.data.tags[CHECKPOINT_TAG] == checkpoint_digest(trained / "artifacts" / "train")
    assert run.data.tags["scenehue.rebuilt"] == "true"
    kept = {entry.path for entry in runs.client.list_artifacts(run_id, "train")}
    assert kept == {"train/model.json", "train/metrics.json", "train/curves.csv"}


def test_the_run_that_trained_is_found(tracking, runs, trained):
    with start_run(tracking, trained) as sink:
        sink.set_tags({CHECKPOINT_TAG: checkpoint_digest(trained / "artifacts" / "train")})
    assert rebuild_run(tracking, trained) == sink.run_id
    assert len(runs()) == 1


@pytest.mark.parametrize("broken", ["log_batch", "log_artifacts", "set_terminated"])
def test_what_was_cut_short_is_completed_by_the_next_call(tracking, runs, trained, monkeypatch, broken):
    def refuse(*args, **kwargs):
        raise ConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(f"mlflow.MlflowClient.{broken}", refuse)
        with pytest.raises(UnreachableError, match="failed in the middle"):
            rebuild_run(tracking, trained)
    run_id = rebuild_run(tracking, trained)
    (run,) = runs()
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    assert run.data.metrics["best.psnr"] == 24.5
    assert len(runs.client.list_artifacts(run_id, "train")) == 3


def test_it_says_why_it_cannot(tracking, trained):
    with pytest.raises(TrackingError, match=r"tracking\.uri is null"):
        rebuild_run(TrackingParams(uri=None), trained)
    (trained / "artifacts" / "train" / "metrics.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"metrics\.json"):
        rebuild_run(tracking, trained)


def test_a_server_that_is_down_is_an_error(trained, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9 cannot be used"):
        rebuild_run(TrackingParams(uri="http://127.0.0.1:9"), trained)
