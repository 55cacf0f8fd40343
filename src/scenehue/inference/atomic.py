"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from scenehue.errors import PhotoError

_numbers = itertools.count()


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; renamed to `path` at the end, deleted when anything goes wrong.

    Args:
        path: The file to be; its folder is made when missing.

    Yields:
        A hidden path in the same folder.

    Raises:
        PhotoError: The folder or the file cannot be written, or the disk is full.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with written_aside(folder / "new" / "a.txt") as aside:
        ...     _ = aside.write_text("whole")
        >>> [file.name for file in (folder / "new").iterdir()]
        ['a.txt']
    """
    name = os.fsdecode(os.fsencode(path.name)[:200])  # names are limited in bytes
    aside = path.with_name(f".{name}.{os.getpid()}-{next(_numbers)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        os.replace(aside, path)
    except OSError as error:
        raise PhotoError(path, f"cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()
