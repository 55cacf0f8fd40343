"""Where a training keeps what it needs to go on after a kill, and when that may be used.

The folder's name is a hash of everything that the training depends on. After a change of parameters, data or code there
is no such folder, so an old state is never taken up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import scenehue

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
    code.append(package / "stages/train.py")
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    for path in [*code, *files]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
