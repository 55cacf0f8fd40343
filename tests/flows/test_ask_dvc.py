"""Real ``dvc`` commands in a small repository, asked for as the flows do."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from flows import ask_dvc
from flows.errors import BusyError, RemoteError, StageError
from flows.processes import run
from pipeline.repository import ROOT, Repository

ALL = ["sources", "dataset", "scene_probs", "color_prior", "train", "evaluate"]


def quiet(line: str) -> None:
    del line


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_says_which_stages_are_due_and_which_are_new(repository: Repository) -> None:
    said: list[str] = []
    assert set(ask_dvc.due(repository.root, quiet)) == set(ALL) - {"sources"}
    assert ask_dvc.reproduce(repository.root, ("evaluate",), said.append) == ALL
    assert "working on train" in said
    assert ask_dvc.due(repository.root, quiet) == []
    shutil.copy(next((repository.root / "photos").iterdir()), repository.root / "photos/another.jpg")
    assert ask_dvc.due(repository.root, quiet) == ["dataset"]
    assert ask_dvc.reproduce(repository.root, ask_dvc.LABELS, quiet) == ALL[:4]
    (repository.root / "photos/another.jpg").unlink()
    assert ask_dvc.reproduce(repository.root, ask_dvc.LABELS, quiet) == ALL[:4], "from the cache of runs, too"


def test_a_failure_names_the_stage_and_its_own_words(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_FAILS", "dataset")
    with pytest.raises(StageError, match=r"^the stage dataset failed: out of paint; buy some$"):
        ask_dvc.reproduce(repository.root, ask_dvc.LABELS, quiet)


def test_waits_while_another_dvc_command_has_the_lock(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_dvc, "_POLL_SECONDS", 0.2)
    monkeypatch.setenv("STAND_IN_SECONDS", "10")
    person = subprocess.Popen(
        ["dvc", "repro", "train"],
        cwd=repository.root,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: "train" in rwlock(repository))
        monkeypatch.setenv("STAND_IN_SECONDS", "0")
        with pytest.raises(BusyError, match=f"in use by DVC .*PID {person.pid}"):
            ask_dvc.reproduce(repository.root, ("train",), quiet, patience_hours=0)
        said: list[str] = []
        assert "train" not in ask_dvc.reproduce(repository.root, ("train",), said.append)
        assert person.wait() == 0
        assert sum(line.startswith("DVC is busy") for line in said) == 1
    finally:
        person.kill()


@pytest.mark.parametrize("left", ["", '{"write": {"/photos"', "[]"])
def test_a_list_of_users_that_a_kill_has_cut_short_stops_nobody(repository: Repository, left: str) -> None:
    (repository.root / ".dvc/tmp").mkdir(exist_ok=True)
    (repository.root / ".dvc/tmp/rwlock").write_text(left)
    refused = subprocess.run([Path(sys.executable).with_name("dvc"), "repro"], cwd=repository.root, capture_output=True)
    assert refused.returncode, "DVC mends this by itself now; _heal can go"
    said: list[str] = []
    assert ask_dvc.reproduce(repository.root, ask_dvc.LABELS, said.append) == ALL[:4]
    assert sum("begun anew" in line for line in said) == 1


def rwlock(repository: Repository) -> str:
    try:
        return (repository.root / ".dvc/tmp/rwlock").read_text()
    except OSError:
        return ""


def test_the_remote_gets_the_data_and_gives_it_back(repository: Repository, tmp_path: Path) -> None:
    assert ask_dvc.push(repository.root, quiet) is None
    assert ask_dvc.pull(repository.root, quiet) is None
    repository.run("dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    ask_dvc.reproduce(repository.root, ("evaluate",), quiet)
    assert ask_dvc.push(repository.root, quiet) == "storage"
    for name in ("artifacts", ".dvc/cache"):
        shutil.rmtree(repository.root / name)
    assert ask_dvc.pull(repository.root, quiet) == "storage"
    assert ask_dvc.reproduce(repository.root, ("evaluate",), quiet) == ["sources"]


def test_a_remote_that_cannot_be_used_is_named(repository: Repository, tmp_path: Path) -> None:
    ask_dvc.reproduce(repository.root, ask_dvc.LABELS, quiet)
    (tmp_path / "file").touch()
    repository.run("dvc", "remote", "add", "--default", "storage", str(tmp_path / "file/storage"))
    with pytest.raises(RemoteError, match="nothing could be uploaded to the DVC remote 'storage': "):
        ask_dvc.push(repository.root, quiet)


ASK = """
import sys
from pathlib import Path
from flows import ask_dvc
ask_dvc.reproduce(Path(sys.argv[1]), ("train",), print)
"""


@pytest.mark.parametrize("killed", ["flow", "flow and supervisor"])
def test_no_training_outlives_its_flow(repository: Repository, monkeypatch: pytest.MonkeyPatch, killed: str) -> None:
    monkeypatch.setenv("STAND_IN_SECONDS", "300")
    command = [sys.executable, "-c", ASK, str(repository.root)]
    flow = psutil.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: trainings(repository))
        training = trainings(repository)
        others = flow.children()
        os.killpg(flow.pid, signal.SIGSTOP)  # so that it cannot tidy up
        if killed == "flow and supervisor":
            for supervisor in others:
                supervisor.kill()
        os.killpg(flow.pid, signal.SIGKILL)
        flow.wait()
        if killed == "flow and supervisor":
            assert trainings(repository) == training
            monkeypatch.setenv("STAND_IN_SECONDS", "0")
            said: list[str] = []
            assert "train" in ask_dvc.reproduce(repository.root, ("train",), said.append)
            assert any(line.startswith("ending process") for line in said)
        eventually(lambda: not any(process.is_running() for process in training), seconds=10)
    finally:
        for process in trainings(repository):
            process.kill()


def trainings(repository: Repository) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if process.info["cwd"] == str(repository.root) and (process.info["cmdline"] or [])[-1:] == ["train"]:
            found += [process] if "bin/scenehue" in " ".join(process.info["cmdline"]) else []
    return found


def test_a_process_that_a_command_leaves_behind_keeps_nobody_waiting(tmp_path: Path) -> None:
    started = time.monotonic()
    ended = run(["sh", "-c", "sleep 300 & echo $!; exit 3"], tmp_path, quiet)
    assert ended.status == 3
    assert time.monotonic() - started < 30
    eventually(lambda: not psutil.pid_exists(int(ended.lines[0])), seconds=10)


def test_a_flow_that_lives_loses_nothing(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_SECONDS", "5")
    command = [sys.executable, "-c", ASK, str(repository.root)]
    flow = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    eventually(lambda: trainings(repository))
    assert ask_dvc.end_orphans(repository.root, quiet) == 0
    assert flow.wait() == 0
    assert not any(json.loads((repository.root / ".dvc/tmp/rwlock").read_text()).values())
