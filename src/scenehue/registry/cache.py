"""What was fetched or computed once and may be again: a folder outside of any repository."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from scenehue.errors import ScenehueError


def cache_folder() -> Path:
    """``$SCENEHUE_CACHE``, else ``scenehue`` in the user's cache folder. It may be deleted at any time."""
    named = os.environ.get("SCENEHUE_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scenehue"


def cached(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder of an entry, made when it is missing; it is there whole or not at all.

    Args:
        kind: Of entry; a folder.
        key: What the entry follows from, as a file name.
        make: Fills the folder it is given.

    Returns:
        The entry's folder. When several processes make it at once, all get the same.

    Raises:
        ScenehueError: The cache cannot be written.
    """
    target = cache_folder() / kind / key
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{key[:16]}-", dir=target.parent))
    except OSError as error:
        raise ScenehueError(
            f"{target.parent} cannot be written ({error.strerror}); name another folder in SCENEHUE_CACHE"
        ) from error
    try:
        make(partial)
        partial.chmod(0o755)
        try:
            partial.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target
