"""Against a real MLflow server, and against what stands in front of one."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
import requests

from registry.workshop import Repository, params_for
from scenehue.inference.colorizer import Colorizer
from scenehue.params import Params
from scenehue.registry.connection import AccessError, AwayError, RegistryError, failures_named
from scenehue.registry.promote import promote
from scenehue.registry.register import register
from scenehue.registry.versions import Registry

QUALITIES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
"""Apart enough for ten photographs to tell any two of them; 0.9 would be better than 0.8 by luck, says the rule."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def server(tmp_path, store):
    """The address of a server on this machine, and its process."""
    port = free_port()
    env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", store, "--artifacts-destination", str(tmp_path / "files")]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    give_up = time.monotonic() + 120
    while True:
        with contextlib.suppress(OSError):
            if urllib.request.urlopen(f"{address}/health", timeout=5).status == 200:
                break
        assert time.monotonic() < give_up, (tmp_path / "server.log").read_text()
        time.sleep(0.2)
    yield address, process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


@pytest.mark.stack
@pytest.mark.usefixtures("quick")
def test_eight_promotions_at_once_and_then_the_server_goes(tmp_path, server, monkeypatch, sample_folder):
    address, process = server
    repository = Repository(tmp_path / "repository", address)
    repository.train(0.05)
    register(repository.params, repository.root)
    assert promote(repository.params, repository.root).promoted
    qualities = random.Random(0).sample(QUALITIES, len(QUALITIES))
    for quality in qualities:
        repository.train(quality)
        register(repository.params, repository.root)
    by_number = {1: 0.05} | dict(enumerate(qualities, 2))
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-m", "registry.contest", str(repository.root), str(out), *map(str, range(2, 10))]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr

    verdicts = [json.loads(path.read_text()) for path in out.iterdir()]
    assert len(verdicts) == 8
    number = {f"version {number}": number for number in by_number}
    for verdict in verdicts:
        better = by_number[number[verdict["challenger"]]] > by_number[number[verdict["champion"]]]
        assert verdict["promoted"] == better, verdict
    registry = Registry.open(repository.params, repository.root)
    reign = ["version 1"]  # who followed whom; each has one successor
    successors = {verdict["champion"]: verdict["challenger"] for verdict in verdicts if verdict["promoted"]}
    assert len(successors) == sum(verdict["promoted"] for verdict in verdicts)
    while reign[-1] in successors:
        reign.append(successors[reign[-1]])
    assert len(reign) == len(successors) + 1
    champion = registry.get("champion")
    assert champion.title == reign[-1]
    assert by_number[champion.number] == max(QUALITIES)
    assert registry.get("previous").title == reign[-2]

    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.chdir(tmp_path)
    colorizer = Colorizer.load("models:/scenehue@champion")
    assert colorizer(sample_folder / "koala.jpg", size=32).mode == "RGB"

    os.killpg(process.pid, 9)
    process.wait()
    with pytest.raises(AwayError, match=rf"MLflow at {address} cannot be reached; is the server up\?"):
        Registry.open(repository.params, repository.root)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, AccessError, r"refuses these credentials \(401\); set MLFLOW_TRACKING_USERNAME"),
        (403, AccessError, r"forbids this \(403\).*host name"),
        (500, AwayError, "answers, and its database or the storage of its files does not"),
        (503, AwayError, "cannot be reached"),
    ],
)
def test_refusals_become_sentences_without_credentials(status, kind, words, monkeypatch):
    class Refuses(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"no")

        def log_message(self, *arguments):
            pass

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as front:
        threading.Thread(target=front.serve_forever, daemon=True).start()
        address = f"http://me:secret@127.0.0.1:{front.server_port}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with pytest.raises(RegistryError, match=words) as raised:
            Registry.open(Params.model_validate(params_for("sqlite:///unused.db")))
        front.shutdown()
    assert type(raised.value) is kind
    assert f"127.0.0.1:{front.server_port}" in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, AccessError, "refuses these credentials"),
        (404, RegistryError, "failed: 404"),
        (500, AwayError, "answers, and its database or the storage of its files does not: 500"),
        (504, AwayError, "cannot be reached"),
    ],
)
def test_what_a_server_says_of_files_is_told_apart_from_no_answer(status, kind, words):
    response = requests.Response()
    response.status_code = status
    with pytest.raises(RegistryError, match=words) as raised, failures_named("http://x"):
        raise requests.HTTPError(f"{status} for url: http://x/api/2.0/mlflow-artifacts/a", response=response)
    assert type(raised.value) is kind
