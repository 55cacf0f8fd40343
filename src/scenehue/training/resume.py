"""Where a training keeps what it needs to go on after a kill, and when that may be used.

The folder's name is a hash of everything that the training depends on. After a change of parameters, data or code there
is no such folder, so an old state is never taken up.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import scenehue

KEPT = 5
"""Stopped trainings whose state is kept, each some three times the size of its weights."""
ROOMS = ("color", "data", "models", "training")


def fingerprint(texts: Iterable[str], files: Iterable[Path]) -> str:
    """Hash of a training's inputs.

    Args:
        texts: Parameters, as text.
        files: Data; their contents count, their names and dates do not.

    Returns:
        16 hex digits; the rooms of the code that training uses are counted in.
    """
    digest = hashlib.sha256()
    package = Path(scenehue.__file__).parent
    code = [path for room in ROOMS for path in sorted((package / room).rglob("*.py"))]
    code += [package / name for name in ("stages/train.py", "evaluation/metrics.py", "inference/predict.py")]
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    for path in [*code, *files]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def forget_abandoned(folder: Path, but: Path, keep: int = KEPT) -> list[Path]:
    """Deletes the states of trainings that were stopped longest ago and never taken up again.

    Args:
        folder: Holds a folder for each training.
        but: A training's own, which stays.
        keep: How many others stay, too: those that were written to last, and so any that is running.

    Returns:
        What was deleted.
    """

    def last_write(state: Path) -> float:
        return max((path.stat().st_mtime for path in (state, *state.iterdir())), default=0)

    others = [state for state in folder.glob("*") if state.is_dir() and state != but]
    oldest = sorted(others, key=last_write, reverse=True)[keep:]
    for state in oldest:
        shutil.rmtree(state, ignore_errors=True)
    return oldest
