"""A small repository whose stages have a quick stand-in for their work, and a Prefect server for the whole session."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.repository import Repository, make_repository

# Writes each stage's files as a hash of what it depends on; STAND_IN_SECONDS and STAND_IN_FAILS change how.
STAND_IN = f"""#!{sys.executable}
import hashlib, os, pathlib, sys, time, yaml
stage = sys.argv[1]
print("working on", stage)
if os.environ.get("STAND_IN_FAILS") == stage:
    sys.exit("Error: out of paint; buy some")
if stage == "train":
    time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")))
declared = yaml.safe_load(open("dvc.yaml"))["stages"][stage]
digest = hashlib.sha256()
for dep in map(pathlib.Path, declared["deps"] + (["photos"] if stage == "sources" else [])):
    for path in sorted(dep.rglob("*")) if dep.is_dir() else [dep]:
        digest.update(path.name.encode() + (path.read_bytes() if path.is_file() else b""))
folder = pathlib.Path("artifacts", stage)
folder.mkdir(parents=True, exist_ok=True)
for name in ("model.json", "model.safetensors", "metrics.json") if stage == "train" else ("result",):
    (folder / name).write_text(digest.hexdigest())
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    command = tmp_path / "bin/scenehue"
    command.parent.mkdir()
    command.write_text(STAND_IN)
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    made = make_repository(tmp_path / "repository", command.parent)
    # Stages find the stand-in before the real command: that of the environment's python comes first otherwise.
    for stage in ("sources", "dataset", "scene_probs", "color_prior", "train", "evaluate"):
        path = made.root / "dvc.yaml"
        path.write_text(path.read_text().replace(f"scenehue {stage}\n", f"{command} {stage}\n"))
    made.run("git", "commit", "--quiet", "--all", "--message", "stand-in")
    return made


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield
