"""Asks DVC for stages, and for its remote storage, as a person at the keyboard would."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from flows.errors import BusyError, RemoteError, StageError
from flows.processes import Ended, Say, end_orphans, run

LABELS = ("scene_probs", "color_prior")
"""The stages that need no training; DVC runs what comes before them, too."""

_BUSY = re.compile(r"Unable to acquire lock|is busy, it is being blocked by")
_RUNNING = re.compile(r"Running stage '([^']+)'")
_FROM_CACHE = re.compile(r"Stage '([^']+)' is cached - skipping run")
_CORRUPT = re.compile(r"RWLock-file .*(JSON structure is corrupted|format error)")
_POLL_SECONDS = 10.0


def reproduce(
    root: Path,
    stages: tuple[str, ...],
    say: Say,
    watch: Callable[[], None] | None = None,
    patience_hours: float = 12,
) -> list[str]:
    """Asks DVC for stages; it runs those of them, and of the ones before them, that are due.

    Args:
        root: The repository.
        stages: Their names.
        say: Is given what DVC and the stages print.
        watch: Is called now and then meanwhile.
        patience_hours: How long to wait while another DVC command has the repository's lock.

    Returns:
        The stages whose results are new, computed or taken from DVC's cache of earlier runs.

    Raises:
        StageError: A stage failed.
        BusyError: The lock was held for too long.
    """
    end_orphans(root, say)
    ended = _patiently(["dvc", "repro", *stages], root, say, patience_hours, watch)
    if ended.status:
        raise StageError(_why(ended, f"dvc repro {' '.join(stages)}"))
    found = (match for line in ended.lines if (match := _RUNNING.search(line) or _FROM_CACHE.search(line)))
    return [match[1] for match in found]


def due(root: Path, say: Say, patience_hours: float = 12) -> list[str]:
    """The stages that DVC finds out of date, after looking what photographs there are.

    Raises:
        StageError: The photographs cannot be listed.
        BusyError: The lock was held for too long.
    """
    end_orphans(root, say)
    ended = _patiently([sys.executable, "-P", str(Path(__file__).with_name("due.py"))], root, say, patience_hours)
    if ended.status:
        raise StageError(_why(ended, "looking for changes"))
    return [str(stage) for stage in json.loads(ended.lines[-1])]


def remote(root: Path) -> str | None:
    """The name of DVC's default remote, or None where the repository has none."""
    ended = run(["dvc", "config", "core.remote"], root, lambda _: None)
    return ended.lines[-1] if ended.status == 0 and ended.lines else None


def pull(root: Path, say: Say, patience_hours: float = 12) -> str | None:
    """Fetches what ``dvc.lock`` names and what earlier runs gave, where the repository has a remote.

    Returns:
        The remote's name, or None where there is none.

    Raises:
        RemoteError: It cannot be reached, or refuses.
        BusyError: The lock was held for too long.
    """
    return _transfer(["dvc", "pull", "--run-cache", "--allow-missing"], "fetched from", root, say, patience_hours)


def push(root: Path, say: Say, patience_hours: float = 12) -> str | None:
    """Uploads what ``dvc.lock`` names, and the cache of runs, where the repository has a remote.

    Returns:
        The remote's name, or None where there is none.

    Raises:
        RemoteError: It cannot be reached, or refuses.
        BusyError: The lock was held for too long.
    """
    return _transfer(["dvc", "push", "--run-cache"], "uploaded to", root, say, patience_hours)


def _transfer(command: list[str], done: str, root: Path, say: Say, patience_hours: float) -> str | None:
    name = remote(root)
    if name is None:
        return None
    ended = _patiently(command, root, say, patience_hours)
    if ended.status:
        raise RemoteError(
            f"nothing could be {done} the DVC remote '{name}': {_reason(ended)}; see that its storage is up and its "
            "keys are right, then start the run again"
        )
    return name


def _patiently(
    command: list[str], root: Path, say: Say, patience_hours: float, watch: Callable[[], None] | None = None
) -> Ended:
    """Runs a command, again and again while another DVC command has the lock."""
    give_up = time.monotonic() + patience_hours * 3600
    told = healed = False
    while True:
        ended = run(command, root, say, watch)
        if ended.status and not healed and any(_CORRUPT.search(line) for line in ended.lines):
            _heal(root, say)
            healed = True
            continue
        busy = [line for line in ended.lines if _BUSY.search(line)]
        if not ended.status or not busy:
            return ended
        holders = (
            "; ".join(line.strip() for line in ended.lines if line.strip().startswith("(PID")) or "another command"
        )
        if time.monotonic() > give_up:
            raise BusyError(
                f"{root.resolve()} was in use by DVC for more than {patience_hours:g} hours ({holders}); wait for that "
                "to end, then start the run again"
            )
        if not told:
            say(f"DVC is busy: {holders}. Waiting for up to {patience_hours:g} hours.")
            told = True
        time.sleep(_POLL_SECONDS)


def _heal(root: Path, say: Say) -> None:
    """Removes DVC's list of who uses which file, which a kill or a full disk has cut in mid-write.

    DVC writes the list in place, refuses every command while it is broken, and starts a new one where there is none.
    """
    (root / ".dvc/tmp/rwlock").unlink(missing_ok=True)
    say("DVC's list of files in use (.dvc/tmp/rwlock) was cut short, as by a kill; it is begun anew.")


def _why(ended: Ended, what: str) -> str:
    stage = next((match[1] for line in reversed(ended.lines) if (match := _RUNNING.search(line))), None)
    return f"{f'the stage {stage}' if stage else what} failed: {_reason(ended)}"


def _reason(ended: Ended) -> str:
    """Our own message if a stage gave one, else DVC's, else the last words."""
    for start in ("Error: ", "ERROR: "):
        if found := [line.removeprefix(start) for line in ended.lines if line.startswith(start)]:
            return found[0]
    return " / ".join(ended.lines[-3:]) or f"exit status {ended.status}"
