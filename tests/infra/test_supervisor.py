"""The supervisor with small services of its own: order, deaths, and that nothing is left behind."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("small_stack.py")


class SmallStack:
    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        self.output = folder / "output"
        self.mark = f"--mark={folder}"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                (sys.executable, PROGRAM, folder, kind, self.mark),
                env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, pattern: str) -> None:
        wait_until(lambda: re.search(pattern, self.said()) is not None, lambda: f"{pattern!r} in {self.said()!r}")

    def left(self, name: str = "") -> list[psutil.Process]:
        """All processes of this stack, by the mark in their arguments; or those of one service."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            arguments = process.info["cmdline"] or ()
            if self.mark in arguments and (not name or name in arguments):
                found.append(process)
        return found

    def supervisor(self) -> psutil.Process:
        """The guard's only child."""
        (child,) = psutil.Process(self.process.pid).children()
        return child

    def service(self, name: str) -> psutil.Process:
        (process,) = self.left(name)
        return process


def wait_until(holds: Callable[[], bool], what: Callable[[], object] = lambda: "", seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[str], SmallStack]]:
    started: list[SmallStack] = []

    def start(kind: str) -> SmallStack:
        started.append(SmallStack(tmp_path, kind))
        return started[-1]

    yield start
    for stack in started:
        for process in stack.left():
            process.kill()
        stack.process.wait()


def test_starts_in_order_and_stops_in_reverse(run):
    stack = run("good")
    stack.wait_for("all started")
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(20) == 0
    events = [line for line in stack.said().splitlines() if line]
    assert events == [
        "first: healthy",
        "step: done",
        "second: healthy",
        "all started",
        "second: stopped",
        "first: stopped",
    ]
    assert not stack.left()


def test_a_death_is_named_with_the_end_of_its_log_and_mended(run):
    stack = run("good")
    stack.wait_for("all started")
    before = stack.service("second").pid
    stack.service("second").kill()
    stack.wait_for("second has died with signal SIGKILL")
    stack.wait_for("second: started again")
    assert "last words of second" in stack.said()
    wait_until(lambda: stack.service("second").pid != before)
    assert "first has died" not in stack.said()


def test_a_service_that_keeps_dying_ends_all(run):
    stack = run("dying")
    assert stack.process.wait(20) == 1
    assert re.search("dying has died three times within a minute.*its reason", stack.said(), re.DOTALL)
    assert not stack.left()


def test_a_step_that_fails_ends_the_start(run):
    stack = run("failing")
    assert stack.process.wait(20) == 1
    assert re.search("step ended with exit code 1.*the step's reason", stack.said(), re.DOTALL)
    assert "first: stopped" in stack.said()
    assert "second: healthy" not in stack.said()
    assert not stack.left()


def test_a_service_is_kept_stopped_while_asked(run, tmp_path: Path):
    stack = run("good")
    stack.wait_for("all started")
    (tmp_path / "down/second").touch()
    stack.wait_for("second: stopped")
    time.sleep(1)
    assert not stack.left("second")
    (tmp_path / "down/second").unlink()
    stack.wait_for("second: started again")


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux hands orphans on to an ancestor.")
@pytest.mark.parametrize("victim", ["guard", "supervisor"])
def test_kill_9_leaves_no_process(run, victim: str):
    """Not even a grandchild that has a session of its own and whose parent is gone."""
    stack = run("leaving")
    stack.wait_for("all started")
    wait_until(lambda: len(stack.left("orphan")) == 1)
    (stack.process if victim == "guard" else stack.supervisor()).kill()
    wait_until(lambda: not stack.left(), stack.left)


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells children of their parent's end.")
def test_kill_9_of_both_leaves_no_service(run):
    stack = run("good")
    stack.wait_for("all started")
    supervisor = stack.supervisor()
    supervisor.suspend()  # or it would end with its guard
    stack.process.kill()
    supervisor.kill()
    wait_until(lambda: not stack.left(), stack.left)


def test_environment_of_the_caller_does_not_leak(tmp_path: Path, run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-caller")
    stack = run("good")
    stack.wait_for("all started")
    environment = stack.service("second").environ()
    assert "AWS_SECRET_ACCESS_KEY" not in environment
    assert environment["GREETING"] == "hello"
    assert "127.0.0.1" in environment["NO_PROXY"]
    assert os.getpgid(stack.service("second").pid) != os.getpgid(0)
