"""Writing aside and renaming into place, so that a killed run leaves either the old files or the new ones."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Gives the path of a file to write, which takes `path`'s place when the block ends without an error."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Gives an empty folder to fill, which takes `folder`'s place when the block ends without an error.

    What a killed run left half filled is thrown away. What one killed between its two renames had put aside is put
    back first.
    """
    partial, old = folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    for leftover in (partial, old):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
        elif old.exists():  # it went wrong between the two renames
            old.rename(folder)


def code_digest(*modules: ModuleType) -> str:
    """Names the code of modules: another one once a byte of it has changed."""
    digest = hashlib.sha256()
    for module in modules:
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()


def home_of(root: Path) -> Path:
    """The repository that a folder is, or is a queued DVC experiment's copy of.

    Such copies lie under ``.dvc/tmp/exps`` and are deleted in the end; what shall outlive them belongs into the home.

    Args:
        root: The repository, or an experiment's copy of it.

    Example:
        >>> home_of(Path("/photos/.dvc/tmp/exps/standalone/tmpx1")).as_posix()
        '/photos'
    """
    home = root.resolve()
    for parent in home.parents:
        if parent.parts[-3:] == (".dvc", "tmp", "exps"):
            return parent.parents[2]
    return home
