from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import socket
import threading
import time

import pyarrow as pa
import pyarrow.parquet
import pytest
from mlflow.artifacts import download_artifacts

from scenehue.errors import ArtifactError
from scenehue.params import Params, TrackingParams
from scenehue.tracking.runs import CHECKPOINT_TAG, checkpoint_digest, dataset_record, params_record, start_run
from scenehue.tracking.sink import DatasetRecord, NullSink

from .conftest import git


def test_what_is_told_is_found_in_the_store(tracking, runs, repository):
    params = Params.model_validate(
        {"scene_probs": {"teacher": "onnx", "weights": "https://me:pw@host/t.onnx?k=1", "sha256": "0" * 64}}
    )
    with start_run(tracking, repository, "train", name="by hand") as sink:
        sink.log_params(params_record(params))
        for step in range(3):
            sink.log_metrics({"train/loss": 1 / (step + 1), "lr": 0.1}, step)
        sink.log_metrics({"odd": math.nan}, 3)
        sink.set_tags({"colour": "blue"})
        sink.log_dataset(DatasetRecord("photos", "abc", "artifacts/dataset", {"train": 7}), "training")
        assert sink.run_id is not None
    (run,) = runs()
    assert run.info.run_id == sink.run_id
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "by hand"
    history = runs.client.get_metric_history(run.info.run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [(0, 1), (1, 0.5), (2, 1 / 3)]
    assert run.data.params["train.model.encoder"] == params.train.model.encoder
    assert run.data.params["train.model.decoder_channels.0"] == "256"
    assert run.data.params["scene_probs.weights"] == "https://host/t.onnx"
    assert not any(name.startswith("tracking") for name in run.data.params)
    assert run.data.tags["colour"] == "blue"
    assert run.data.tags["scenehue.stage"] == "train"
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("photos", "abc")
    assert json.loads(given.dataset.profile) == {"train": 7}
    assert given.tags[0].value == "training"


def test_a_run_carries_the_commit_and_the_recipe(tracking, runs, repository):
    (repository / "src" / "code.py").write_text("x = 2\n")
    with start_run(tracking, repository):
        pass
    (run,) = runs()
    commit = git(repository, "rev-parse", "HEAD").strip()
    assert run.data.tags["mlflow.source.git.commit"] == commit
    assert run.data.tags["scenehue.git_dirty"] == "true"
    assert run.data.tags["scenehue.git_changed"] == "src/code.py"
    assert run.info.run_name == f"train-{commit[:7]}"
    names = {entry.path for entry in runs.client.list_artifacts(run.info.run_id)}
    assert names == {"params.yaml", "dvc.lock"}
    assert run.info.artifact_uri.startswith("file://")
    assert "/mlartifacts/" in run.info.artifact_uri


def test_artifacts_are_kept_as_they_were(tracking, runs, tmp_path):
    sheet, folder = tmp_path / "sheet.png", tmp_path / "train"
    folder.mkdir()
    (folder / "metrics.json").write_text("{}")
    with start_run(tracking, tmp_path) as sink:
        for epoch in range(2):
            sheet.write_text(f"epoch {epoch}")
            sink.log_artifacts(sheet, folder=f"sheets/{epoch}")
        sink.log_artifacts(folder)
        sheet.unlink()
    run_id = runs()[0].info.run_id
    path = download_artifacts(run_id=run_id, tracking_uri=tracking.uri, dst_path=str(tmp_path / "got"))
    assert (tmp_path / "got" / "sheets" / "0" / "sheet.png").read_text() == "epoch 0", path
    assert (tmp_path / "got" / "sheets" / "1" / "sheet.png").read_text() == "epoch 1"
    assert (tmp_path / "got" / "train" / "metrics.json").read_text() == "{}"


def test_a_missing_file_costs_only_itself(tracking, runs, tmp_path, caplog):
    with start_run(tracking, tmp_path) as sink:
        sink.log_artifacts(tmp_path / "nowhere.png")
        sink.log_metrics({"after": 1})
    assert "nowhere.png" in caplog.text
    assert runs()[0].data.metrics == {"after": 1}


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_an_exception_ends_the_run_and_goes_on_its_way(tracking, runs, tmp_path, error, status):
    def train():
        with start_run(tracking, tmp_path) as sink:
            sink.log_metrics({"before": 1})
            raise error

    with pytest.raises(error):
        train()
    (run,) = runs()
    assert run.info.status == status
    assert run.data.metrics == {"before": 1}


def test_a_resumed_training_goes_on_with_its_run(tracking, runs, tmp_path):
    def train():
        with start_run(tracking, tmp_path, inputs="abc") as sink:
            sink.log_params({"epochs": 3, "machine": {"device": "cpu"}})
            sink.log_metrics({"loss": 2}, 0)
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        train()
    first = runs()[0].info.run_id
    with start_run(tracking, tmp_path, inputs="abc") as sink:
        sink.log_params({"epochs": 3, "machine": {"device": "cuda"}, "new": 1, "emphasis": {"*!a/*": 8}})
        sink.log_metrics({"loss": 1}, 1)
    assert sink.run_id == first
    (run,) = runs()
    assert run.info.status == "FINISHED"
    assert run.data.params == {"epochs": "3", "machine.device": "cpu", "new": "1", "emphasis": "{'*!a/*': 8}"}
    assert [point.value for point in runs.client.get_metric_history(first, "loss")] == [2, 1]
    # Once finished, the same inputs are a new run, and so are others at any time.
    for inputs in ("abc", "xyz"):
        with start_run(tracking, tmp_path, inputs=inputs) as sink:
            pass
    assert len(runs()) == 3


def test_an_evaluation_joins_the_run_of_its_checkpoint(tracking, runs, tmp_path):
    with start_run(tracking, tmp_path, inputs="abc") as sink:
        sink.set_tags({CHECKPOINT_TAG: "f" * 64})
    trained = sink.run_id
    ended = runs()[0].info.end_time
    with start_run(tracking, tmp_path, "evaluate", checkpoint="f" * 64) as sink:
        sink.log_metrics({"evaluate/reg/psnr": 24})
    assert sink.run_id == trained
    (run,) = runs()
    assert run.data.metrics == {"evaluate/reg/psnr": 24}
    assert (run.info.status, run.info.end_time) == ("FINISHED", ended)
    with start_run(tracking, tmp_path, "evaluate", checkpoint="e" * 64) as sink:
        pass
    assert sink.run_id != trained


def test_the_load_of_the_machine_is_recorded(tracking, runs, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    with start_run(tracking, tmp_path, system_metrics=True) as sink:
        assert sink.run_id
        deadline = time.monotonic() + 10
        while "system/cpu_utilization_percentage" not in runs()[0].data.metrics and time.monotonic() < deadline:
            time.sleep(0.2)
    assert "system/cpu_utilization_percentage" in runs()[0].data.metrics


@pytest.fixture
def silent_server():
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections = []
        stop = threading.Event()

        def accept():
            server.settimeout(0.1)
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    connections.append(server.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        stop.set()
        thread.join()
        for connection in connections:
            connection.close()


def record_a_training(uri: str, tmp_path) -> tuple[float, float]:
    """Seconds until the training could start, and in which its 500 steps were told."""
    file = tmp_path / "sheet.png"
    file.write_text("picture")
    start = time.monotonic()
    with start_run(TrackingParams(uri=uri), tmp_path, inputs="abc", system_metrics=True) as sink:
        started = time.monotonic()
        sink.log_params({"a": 1})
        for step in range(500):
            sink.log_metrics({"loss": 1.0}, step)
        sink.log_artifacts(file)
        told = time.monotonic()
    assert sink.run_id is None
    return started - start, told - started


def test_a_server_that_is_down_is_one_warning(tmp_path, caplog):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    start = time.monotonic()
    with caplog.at_level(logging.WARNING):
        waited = record_a_training(f"http://127.0.0.1:{port}", tmp_path)
    assert max(waited) < 4
    assert time.monotonic() - start < 15
    warnings = [record for record in caplog.records if record.name == "scenehue.tracking"]
    assert len(warnings) == 1
    assert f"http://127.0.0.1:{port}" in warnings[0].getMessage()
    assert "goes on without it" in warnings[0].getMessage()


def test_a_server_that_hangs_does_not_hold_the_training_up(tmp_path, caplog, silent_server, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "4")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    start = time.monotonic()
    waited = record_a_training(silent_server, tmp_path)
    # The hanging request is waited for once, at the end, and not by the training.
    assert max(waited) < 4 < time.monotonic() - start
    assert len([record for record in caplog.records if record.name == "scenehue.tracking"]) == 1


def test_a_server_that_dies_in_the_middle_is_noticed_once(tracking, tmp_path, caplog, monkeypatch):
    from scenehue.tracking import mlflow_sink

    with start_run(tracking, tmp_path) as sink:
        assert sink.run_id
        calls = []

        def refuse(*args, **kwargs):
            calls.append(args)
            raise ConnectionError("gone")

        monkeypatch.setattr(mlflow_sink.MlflowClient, "log_batch", refuse)
        for step in range(20):
            sink.log_metrics({"loss": 1.0}, step)
    assert len(calls) == 1
    assert len([record for record in caplog.records if "goes on without it" in record.getMessage()]) == 1
    sink.log_metrics({"loss": 1.0}, 21)
    sink.close()


def test_names_and_passwords_are_not_in_the_warning(tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    with start_run(TrackingParams(), tmp_path):
        pass
    assert "127.0.0.1:9" in caplog.text
    assert "secret" not in caplog.text


def test_tracking_can_be_switched_off(tmp_path, monkeypatch):
    with start_run(TrackingParams(uri=None), tmp_path) as sink:
        sink.log_metrics({"loss": 1})
        assert isinstance(sink, NullSink)
        assert sink.run_id is None
    monkeypatch.setenv("RANK", "1")
    with start_run(TrackingParams(), tmp_path) as sink:
        assert isinstance(sink, NullSink)
    assert not list(tmp_path.iterdir())


def test_an_address_in_the_environment_counts_where_the_parameters_name_none(tracking, runs, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
    with start_run(tracking.model_copy(update={"uri": None}), tmp_path) as sink:
        sink.log_metrics({"loss": 1})
    assert runs()[0].info.run_id == sink.run_id


def test_patience_is_mlflows_own_again_afterwards(tracking, tmp_path):
    before = dict(os.environ)
    with start_run(tracking, tmp_path):
        pass
    assert dict(os.environ) == before


def test_a_dataset_is_known_by_its_photos_and_splits(tmp_path):
    def record(ids: list[str], splits: list[str]) -> DatasetRecord:
        pa.parquet.write_table(pa.table({"id": ids, "split": splits, "other": ids}), tmp_path / "manifest.parquet")
        return dataset_record(tmp_path)

    first = record(["a", "b", "c"], ["train", "train", "test"])
    assert first.profile == {"photos": 3, "train": 2, "val": 0, "test": 1}
    assert len(first.digest) <= 36
    assert record(["c", "a", "b"], ["test", "train", "train"]).digest == first.digest
    assert record(["a", "b", "c"], ["train", "test", "test"]).digest != first.digest
    assert record(["a", "b", "d"], ["train", "train", "test"]).digest != first.digest


def test_missing_inputs_are_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"manifest\.parquet.*stage dataset"):
        dataset_record(tmp_path)
    with pytest.raises(ArtifactError, match=r"model\.safetensors.*stage train"):
        checkpoint_digest(tmp_path)
