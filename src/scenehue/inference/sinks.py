"""Where results go: a folder, standard output, or S3."""

from __future__ import annotations

import contextlib
import functools
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from scenehue.errors import PhotoError
from scenehue.inference.atomic import written_aside
from scenehue.inference.items import STANDARD, Item
from scenehue.inference.s3 import S3, listing, split_address, upload


class Sink(Protocol):
    """Where results go."""

    def address(self, relative: PurePosixPath) -> str:
        """The full name of a result."""
        ...

    def exists(self, relative: PurePosixPath) -> bool:
        """Whether it is there already."""
        ...

    def is_original(self, relative: PurePosixPath, item: Item) -> bool:
        """Whether it is the very file that `item` is read from."""
        ...

    def written(self, relative: PurePosixPath) -> contextlib.AbstractContextManager[Path]:
        """A path to write the result to; it appears at its address when the block ends without an error."""
        ...


class FolderSink:
    """Results in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def address(self, relative: PurePosixPath) -> str:
        return str(self.folder / relative)

    def exists(self, relative: PurePosixPath) -> bool:
        return (self.folder / relative).exists()

    def is_original(self, relative: PurePosixPath, item: Item) -> bool:
        try:
            return (self.folder / relative).samefile(item.name)
        except OSError:
            return False

    def written(self, relative: PurePosixPath) -> contextlib.AbstractContextManager[Path]:
        return written_aside(self.folder / relative)


class StandardSink:
    """The one result on standard output."""

    def address(self, relative: PurePosixPath) -> str:
        return STANDARD

    def exists(self, relative: PurePosixPath) -> bool:
        return False

    def is_original(self, relative: PurePosixPath, item: Item) -> bool:
        return False

    @contextlib.contextmanager
    def written(self, relative: PurePosixPath) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "result")
            yield path
            if sys.stdout is None:
                raise PhotoError(STANDARD, "cannot be written: standard output is closed")
            with path.open("rb") as stream:
                shutil.copyfileobj(stream, sys.stdout.buffer)
            sys.stdout.buffer.flush()


class S3Sink:
    """Results in a bucket, below a prefix."""

    def __init__(self, address: str) -> None:
        self.bucket, self.prefix = split_address(address)

    def _key(self, relative: PurePosixPath) -> str:
        return "/".join(part for part in (self.prefix.rstrip("/"), str(relative)) if part)

    def address(self, relative: PurePosixPath) -> str:
        return f"{S3}{self.bucket}/{self._key(relative)}"

    @functools.cached_property
    def _keys(self) -> set[str]:
        return {key for key, _ in listing(self.bucket, self.prefix)}

    def exists(self, relative: PurePosixPath) -> bool:
        return self._key(relative) in self._keys

    def is_original(self, relative: PurePosixPath, item: Item) -> bool:
        return self.address(relative) == item.name

    @contextlib.contextmanager
    def written(self, relative: PurePosixPath) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, relative.name)
            yield path
            upload(path, self.bucket, self._key(relative))
