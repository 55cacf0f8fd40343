from __future__ import annotations

import os

import pytest

from scenehue.tracking.store import artifact_location, flatten, quick_failures, tracking_uri, without_secrets


def test_a_relative_store_lies_in_the_repository(tmp_path):
    assert tracking_uri("sqlite:///mlflow.db", tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    assert tracking_uri("sqlite:////else/where.db", tmp_path) == "sqlite:////else/where.db"
    assert tracking_uri("http://tracker:5000", tmp_path) == "http://tracker:5000"


@pytest.mark.parametrize("folder", ["standalone/tmpab12", "tmpab12", "tmpab12/inner"])
def test_a_queued_experiment_uses_the_store_of_its_repository(tmp_path, folder):
    root = tmp_path / ".dvc" / "tmp" / "exps" / folder
    root.mkdir(parents=True)
    assert tracking_uri("sqlite:///mlflow.db", root) == f"sqlite:///{tmp_path}/mlflow.db"


def test_the_environment_goes_before_the_parameters(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://production:5000")
    for uri in ("sqlite:///mlflow.db", None):
        assert tracking_uri(uri, tmp_path) == "http://production:5000"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracking_uri(None, tmp_path) is None


def test_artifacts_lie_beside_a_local_store_and_where_a_server_wants_them():
    assert artifact_location("sqlite:////photos/mlflow.db") == "file:///photos/mlartifacts"
    assert artifact_location("http://tracker:5000") is None


@pytest.mark.parametrize(
    ("told", "public"),
    [
        ("https://me:secret@host:8080/a.onnx?sig=abc#f", "https://host:8080/a.onnx"),
        ("postgresql://user:pass@host/db", "postgresql://host/db"),
        ("s3://bucket/key", "s3://bucket/key"),
        ("sqlite:////photos/mlflow.db", "sqlite:////photos/mlflow.db"),
        ("data/sample?", "data/sample?"),
    ],
)
def test_secrets_in_addresses_are_left_out(told, public):
    assert without_secrets(told) == public


def test_flatten_keeps_every_value():
    tree = {"a": 1, "b": {"c": None, "d": [{"e": "x"}, 2]}, "f": (0.5,), "g": {}}
    assert flatten(tree) == {"a": 1, "b.c": None, "b.d.0.e": "x", "b.d.1": 2, "f.0": 0.5}


def test_flatten_keeps_mappings_whole_whose_keys_are_no_names():
    assert flatten({"a": {"*!birds/*": 8, "b": 1}, "c": {"d": {"e?": 2}}}) == {
        "a": {"*!birds/*": 8, "b": 1},
        "c.d": {"e?": 2},
    }


def test_what_the_user_has_set_about_patience_stays(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "99")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    with quick_failures():
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "99"
        assert int(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]) <= 2
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "99"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ
