"""Trainings that torchrun shares out among real processes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch.distributed.elastic.multiprocessing.api import SignalException

from scenehue.errors import ParamsError, ScenehueError
from scenehue.models.checkpoint import load_checkpoint
from scenehue.stages import train
from scenehue.training.processes import launch
from stages.training import changed, curves, make_inputs

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
TORCHRUN += ["--nproc-per-node", "2", "-m", "scenehue", "train"]
SETTINGS = {"accumulate": 2, "epochs": 3}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, sample_folder: Path) -> Path:
    return make_inputs(tmp_path_factory.mktemp("inputs"), sample_folder)


@pytest.fixture
def root(inputs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(inputs, tmp_path / "root"))


@pytest.fixture(scope="module")
def alone(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training in one process."""
    root = Path(shutil.copytree(inputs, tmp_path_factory.mktemp("alone") / "root"))
    train.run(changed(**SETTINGS), root)
    return root / "artifacts/train"


def assert_the_same(folder: Path, expected: Path) -> None:
    """Sums in another order are all that differs in what is learnt; running statistics are means of two averages."""
    ours, theirs = (load_file(path / "model.safetensors") for path in (folder, expected))
    assert ours.keys() == theirs.keys()
    for name, weights in theirs.items():
        if "num_batches_tracked" not in name:
            tolerance = {"rtol": 0.02, "atol": 0.02} if "running" in name else {"rtol": 1e-3, "atol": 1e-4}
            torch.testing.assert_close(ours[name], weights, **tolerance, msg=name)
    assert len(curves(folder)) == len(curves(expected))
    for ours_row, theirs_row in zip(curves(folder), curves(expected), strict=True):
        assert ours_row.keys() == theirs_row.keys()
        for name, value in theirs_row.items():
            tolerance = 0.01 if name.startswith("val") else 1e-4
            assert float(ours_row[name]) == pytest.approx(float(value), rel=tolerance, abs=1e-6), name


def children(process: subprocess.Popen[str]) -> dict[int, int]:
    """Process ids of torchrun's workers by their rank."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            rank = re.search(r"\0RANK=(\d+)", (folder / "environ").read_text())
        except OSError:
            continue
        if rank and int(parent) == process.pid:
            found[int(rank[1])] = int(folder.name)
    return found


def test_two_processes_learn_what_one_does(root: Path, alone: Path, capfd: pytest.CaptureFixture[str]) -> None:
    params = changed(**SETTINGS)
    train.run(params.model_copy(update={"machine": params.machine.model_copy(update={"processes": 2})}), root)
    assert_the_same(root / "artifacts/train", alone)
    assert load_checkpoint(root / "artifacts/train")[1].decoders.keys() == load_checkpoint(alone)[1].decoders.keys()
    assert capfd.readouterr().out.count("Best validation") == 1, "one process alone tells and writes"
    assert not list((root / "resume/train").iterdir())


def test_one_that_is_told_to_end_ends_both_and_another_number_goes_on(root: Path, alone: Path) -> None:
    content = yaml.safe_load((root / "params.yaml").read_text())
    content["train"] |= SETTINGS
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    process = subprocess.Popen(TORCHRUN, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    workers: dict[int, int] = {}
    try:
        deadline = time.monotonic() + 200
        while not list(root.glob("resume/train/*/last.ckpt")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        workers = children(process)
        os.kill(workers[1], signal.SIGTERM)
        output = process.communicate(timeout=120)[0]
        assert process.returncode != 0
        assert "Error: the training was told to end (SIGTERM); started again, it goes on from its last vali" in output
        assert output.count("Error: ") >= 2, "both say why they end"
        assert not children(process)
    finally:
        process.kill()
        process.wait()
    assert not (root / "artifacts/train").exists()
    train.run(changed(**SETTINGS), root)
    assert [float(row["step"]) for row in curves(root / "artifacts/train")] == [2, 4, 6]
    assert_the_same(root / "artifacts/train", alone)


@pytest.mark.parametrize(
    ("number", "expected", "words"),
    [(signal.SIGINT, KeyboardInterrupt, "^$"), (signal.SIGTERM, ScenehueError, "told to end .SIGTERM.; started again")],
)
def test_signals_to_the_one_that_started_them_end_in_no_traceback(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    expected: type[BaseException],
    words: str,
) -> None:
    arguments: list[str] = []

    def torchrun(given: list[str]) -> None:
        arguments.extend(given)
        raise SignalException("got a signal", number)

    monkeypatch.setattr("torch.distributed.run.main", torchrun)
    before = dict(os.environ)
    with pytest.raises(expected, match=words):
        launch(changed(**SETTINGS), tmp_path)
    assert arguments[-4:-1] == ["scenehue", "train", "--params"]
    assert dict(os.environ) == before


def test_batches_that_cannot_be_shared_are_named_before_anything_is_done(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ParamsError, match=r"train\.accumulate must be a multiple of 2, not 1"):
        train.run(changed(epochs=1), root)
    machine = changed(**SETTINGS).machine.model_copy(update={"device": "cuda:1"})
    with pytest.raises(ParamsError, match=r"machine\.device"):
        train.run(changed(**SETTINGS).model_copy(update={"machine": machine}), root)
