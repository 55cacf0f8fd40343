from __future__ import annotations

import shutil

import pytest
from mlflow import MlflowClient

from registry.workshop import Repository


@pytest.fixture(autouse=True)
def _no_outer_settings(monkeypatch, tmp_path):
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SCENEHUE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
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
