"""What is asked of a running stack, without one; with one, tests/stack asks it."""

import fcntl
from pathlib import Path

import pytest

from infra.__main__ import start, stop
from infra.errors import StackError
from infra.settings import Settings


@pytest.mark.parametrize("ask", [start, stop])
@pytest.mark.parametrize("before", [False, True])
def test_where_nothing_runs_that_is_said_at_once(settings: Settings, tmp_path: Path, ask, before: bool):
    if before:
        settings.stack_folder.mkdir()
        (settings.stack_folder / "lock").touch()
        (settings.stack_folder / "state.json").write_text('{"mlflow": {}}')
    with pytest.raises(StackError, match=r"No stack is running from .*; start it by `make stack`"):
        ask("mlflow", tmp_path / ".env")


def test_a_running_one_is_told_by_a_file(settings: Settings, tmp_path: Path):
    folder = settings.stack_folder
    (folder / "down").mkdir(parents=True)
    (folder / "state.json").write_text("{}")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stop("mlflow", tmp_path / ".env")
        assert (folder / "down/mlflow").exists()
        with pytest.raises(StackError, match="nothing is no service; there are postgres, s3, mlflow, prefect, worker"):
            stop("nothing", tmp_path / ".env")
