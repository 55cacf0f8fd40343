from __future__ import annotations

import pytest

from registry.workshop import write_dataset
from scenehue.evaluation import evaluate
from scenehue.evaluation.metrics import PHOTO_METRICS
from scenehue.evaluation.results import Results
from scenehue.registry import evaluations
from scenehue.registry.evaluations import evaluate_version
from scenehue.registry.register import register
from scenehue.registry.versions import Registry

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def counted(monkeypatch):
    """How often a model was really run over a data set."""
    times = []
    real = evaluate.evaluate_model
    monkeypatch.setattr(evaluate, "evaluate_model", lambda *args, **kwargs: times.append(1) or real(*args, **kwargs))
    return times


def test_it_is_computed_once_for_each_model_photographs_settings_and_code(repository, counted, monkeypatch):
    repository.train(0.5)
    version = register(repository.params, repository.root)
    registry = Registry.open(repository.params, repository.root)
    dataset, wanted = repository.root / "artifacts/dataset", repository.params.evaluate
    evaluate_version(registry, version, dataset, wanted)
    assert counted == []  # the stage has just done it
    anew = wanted.model_copy(update={"size": 64})
    first = evaluate_version(registry, version, dataset, anew)
    second = evaluate_version(registry, version, dataset, anew.model_copy(update={"sheet_photos": 3}))
    assert len(counted) == 1
    assert first.table.equals(second.table)
    assert first.about["size"] == 64
    write_dataset(dataset, ("test",) * 3, first=20)
    assert len(evaluate_version(registry, version, dataset, anew).ids) == 3
    assert len(counted) == 2
    monkeypatch.setattr(evaluations, "_code_digest", lambda: "another")
    evaluate_version(registry, version, dataset, anew)
    assert len(counted) == 3


def test_the_packaged_graph_measures_as_the_stage_does(repository, counted, tmp_path, monkeypatch):
    repository.train(0.7)
    version = register(repository.params, repository.root)
    monkeypatch.setenv("SCENEHUE_CACHE", str(tmp_path / "elsewhere"))
    registry = Registry.open(repository.params, repository.root)
    found = evaluate_version(registry, version, repository.root / "artifacts/dataset", repository.params.evaluate)
    stage = Results.load(repository.root / "artifacts/evaluate")
    assert len(counted) == 1
    assert found.decoders == stage.decoders
    for metric in PHOTO_METRICS:
        assert found.by_photo("reg", metric) == pytest.approx(stage.by_photo("reg", metric), abs=2e-3)
