from __future__ import annotations

import subprocess

import pytest
from mlflow import MlflowClient

from scenehue.params import TrackingParams


@pytest.fixture(autouse=True)
def _no_outer_settings(monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """An SQLite store, made once since MLflow takes seconds for it; each test has an experiment of its own in it."""
    folder = tmp_path_factory.mktemp("store")
    MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()
    return folder


@pytest.fixture
def tracking(store, request) -> TrackingParams:
    return TrackingParams(uri=f"sqlite:///{store}/mlflow.db", experiment=request.node.name)


@pytest.fixture
def runs(store, tracking):
    """A function that gives the test's runs, latest first."""
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")

    def found():
        experiment = client.get_experiment_by_name(tracking.experiment)
        return client.search_runs([experiment.experiment_id]) if experiment else []

    found.client = client
    return found


@pytest.fixture
def repository(tmp_path):
    """A repository with one commit."""
    root = tmp_path / "repository"
    (root / "src").mkdir(parents=True)
    (root / "src" / "code.py").write_text("x = 1\n")
    (root / "params.yaml").write_text("train: {epochs: 3}\n")
    (root / "dvc.lock").write_text("schema: '2.0'\n")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        git(root, *arguments)
    return root


def git(root, *arguments: str) -> str:
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
