"""Starts commands whose output is passed on line by line, and which never outlive the flow that started them."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from flows import supervised
from scenehue.tracking.store import without_secrets

MARK = "SCENEHUE_FLOW"
"""Environment variable of all that a flow starts: the repository, and the process that asked."""

WATCH_SECONDS = 1.0

_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Ended:
    """A command that has come to its end.

    Args:
        status: Its exit status.
        lines: What it printed, without colours, empty lines and secrets.
    """

    status: int
    lines: list[str]


def run(command: list[str], root: Path, say: Say, watch: Callable[[], None] | None = None) -> Ended:
    """Runs a command in a repository.

    It ends, with all that it has started, when this process does, also if that is killed.

    Args:
        command: The command and its arguments.
        root: Where to run it.
        say: Is given each line that it prints, as it comes.
        watch: Is called every `WATCH_SECONDS` meanwhile.
    """
    lines: list[str] = []
    process = subprocess.Popen(
        [sys.executable, "-P", supervised.__file__, *command],
        cwd=root,
        env=_environment(root),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        for line in _with_pauses(process.stdout, WATCH_SECONDS if watch else None):
            if line is None:
                assert watch is not None
                watch()
            elif text := without_secrets(_COLOURS.sub("", line).rstrip()):
                lines.append(text)
                say(text)
        return Ended(process.wait(), lines)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def end_orphans(root: Path, say: Say) -> int:
    """Ends what flows that are gone have left running in a repository.

    Nothing should be left; this is for the case that both a flow and its supervisor were killed.

    Args:
        root: The repository.
        say: Is told about each.

    Returns:
        How many processes there were.
    """
    orphans = [process for process in psutil.process_iter() if _is_orphan(process, root)]
    # The oldest first: DVC before its stage, or DVC would see the stage fail, and die while it writes that down.
    orphans.sort(key=lambda process: process.create_time())
    for process in orphans:
        with contextlib.suppress(psutil.Error):
            say(f"ending process {process.pid}, which a killed run has left: {' '.join(process.cmdline())[:200]}")
            process.kill()
    psutil.wait_procs(orphans, timeout=10)
    return len(orphans)


def _with_pauses(stream: IO[str], seconds: float | None) -> Iterator[str | None]:
    """The lines of a stream, and None whenever so many seconds have passed."""
    if seconds is None:
        yield from stream
        return
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            waiting.put(line)
        waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    due = time.monotonic() + seconds
    while True:
        with contextlib.suppress(queue.Empty):
            line = waiting.get(timeout=max(0.0, due - time.monotonic()))
            if line is None:
                return
            yield line
        if time.monotonic() >= due:
            yield None
            due = time.monotonic() + seconds


def _environment(root: Path) -> dict[str, str]:
    """Of the caller, with our own commands first in the path, and told that nobody looks at a terminal."""
    kept = {name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "DVC_ROOT", "DVC_STAGE"}}
    me = psutil.Process()
    return kept | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "DVC_NO_ANALYTICS": "1",
        MARK: _mark(root, me),
    }


def _mark(root: Path, process: psutil.Process) -> str:
    return f"{process.pid}/{process.create_time():.2f}/{root.resolve()}"


def _is_orphan(process: psutil.Process, root: Path) -> bool:
    try:
        mark = process.environ().get(MARK, "")
        pid, _, rest = mark.partition("/")
        if not pid or rest.partition("/")[2] != str(root.resolve()):
            return False
        return not psutil.pid_exists(int(pid)) or _mark(root, psutil.Process(int(pid))) != mark
    except (psutil.Error, OSError, ValueError):
        return False
