from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from registry.workshop import Repository, Store, write_model
from scenehue.registry import candidates, register
from scenehue.registry.promotion_rule import SmokeTest


@pytest.fixture(autouse=True)
def _no_outer_settings(monkeypatch, tmp_path):
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SCENEHUE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """An SQLite store with nothing in it, made once, since MLflow takes seconds for it."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(empty_store, tmp_path) -> str:
    """The address of a store of its own."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def repository(tmp_path, store) -> Repository:
    """A repository with a data set, a commit, and a registry."""
    return Repository(tmp_path / "repository", store)


@pytest.fixture(scope="session")
def graph(tmp_path_factory) -> Path:
    """The exported graph of the workshop's network."""
    from scenehue.inference.export import export_onnx
    from scenehue.models.checkpoint import load_checkpoint

    folder = tmp_path_factory.mktemp("graph")
    write_model(folder, 0.5)
    export_onnx(*load_checkpoint(folder), folder / "model.onnx", half=False)
    return folder / "model.onnx"


@pytest.fixture
def quick(monkeypatch, graph):
    """Packages without MLflow's part, not tried and not timed."""
    monkeypatch.setattr(register, "build_package", Store(graph).build_package)
    for module in ("promote", "released"):
        monkeypatch.setattr(f"scenehue.registry.{module}.smoke_test", lambda *_: SmokeTest(True, "Not tried."))
    monkeypatch.setattr(candidates, "seconds_per_photo", lambda models: [0.1] * len(models))
