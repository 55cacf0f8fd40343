"""Photos to be coloured, and how they are found: files, patterns, folders, standard input, and S3."""

from __future__ import annotations

import contextlib
import glob
import io
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from scenehue.errors import PhotoError, ScenehueError
from scenehue.inference.formats import PHOTO_SUFFIXES
from scenehue.inference.s3 import S3, download, listing, split_address

STANDARD = "-"


@dataclass(frozen=True)
class Item:
    """A photo to be coloured.

    Attributes:
        name: As the user knows it: a path, an ``s3://`` address, or ``-``.
        relative: Its place in the tree of results.
        exact: The result has that very name, and not one whose ending follows from its format.
        in_folder: It was found in a folder or below a prefix that the user named.
        version: Where it was, what changes with its content: size and time, or an etag.
    """

    name: str
    relative: PurePosixPath
    exact: bool = False
    in_folder: bool = False
    version: str = ""

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Its content.

        Raises:
            PhotoError: It is gone, or may not be read.
        """
        if self.name == STANDARD:
            if sys.stdin is None:
                raise PhotoError(self.name, "cannot be read: standard input is closed")
            yield io.BytesIO(sys.stdin.buffer.read())
        elif self.name.startswith(S3):
            yield io.BytesIO(download(self.name))
        else:
            try:
                # A folder is an item only if it could not be searched, and opening it says why.
                mode = os.stat(self.name).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a pipe would wait for ever
                    raise PhotoError(self.name, "is a pipe or a device, not a file; standard input is read as -")
                stream = Path(self.name).open("rb")  # noqa: SIM115 - closed below
            except OSError as error:
                raise PhotoError(self.name, f"cannot be read: {error.strerror or error}") from error
            with stream:
                yield stream


def find_photos(inputs: Iterable[str], results: str | None = None) -> list[Item]:
    """Lists the photos that the user means, in a fixed order.

    Args:
        inputs: Files, patterns such as ``scans/**/*.tif``, folders, ``s3://`` addresses of objects or prefixes, or
            ``-``. From folders and prefixes, files with a photo's name are taken, hidden ones left out; links are
            followed, but no folder is entered twice.
        results: Folder or prefix of results: where it `lies_in` an input, it is passed over, since it holds what
            earlier runs made of the others.

    Returns:
        The photos, each once; and folders that cannot be searched, so that this is reported like a bad photo.

    Raises:
        ScenehueError: An input matches nothing.
    """
    items: dict[str, Item] = {}
    for text in inputs:
        found = list(photos_in(text, results))
        if not found:
            raise ScenehueError(f"{text}: there is no photo of that name, and none in it")
        for item in found:
            items.setdefault(place_of(item.name), item)
    return list(items.values())


def place_of(name: str) -> str:
    """A name that is the same however a file was called: ``./a.jpg`` or ``a.jpg``.

    Example:
        >>> place_of("a.jpg") == place_of("./b/../a.jpg"), place_of("s3://archive/a.jpg")
        (True, 's3://archive/a.jpg')
    """
    return name if name == STANDARD or name.startswith(S3) else os.path.abspath(name)


def lies_in(results: str, text: str) -> bool:
    """Whether a folder or prefix of results is somewhere inside another one.

    Example:
        >>> lies_in("s3://archive/old/color", "s3://archive/old"), lies_in("s3://archive/old", "s3://archive/old/")
        (True, False)
    """
    if S3 in (results[: len(S3)], text[: len(S3)]):
        return results.rstrip("/").startswith(text.rstrip("/") + "/")
    return Path(os.path.realpath(text)) in Path(os.path.realpath(results)).parents


def photos_in(text: str, results: str | None = None) -> Iterator[Item]:
    """Lists the photos of one input, as `find_photos` does, without holding them all in memory."""
    if text == STANDARD:
        yield Item(STANDARD, PurePosixPath("stdin"))
    elif text.startswith(S3):
        yield from _find_s3(text, results)
    elif os.path.isdir(text):
        for path in _walk(Path(text), results):
            yield Item(
                str(path), PurePosixPath(path.relative_to(text).as_posix()), in_folder=True, version=_version(path)
            )
    elif os.path.lexists(text):
        yield Item(text, PurePosixPath(Path(text).name))
    else:
        for match in sorted(glob.glob(text, recursive=True)):
            yield from photos_in(match, results) if os.path.lexists(match) else ()


def _walk(folder: Path, results: str | None) -> Iterator[Path]:
    closed: list[OSError] = []
    entered = {os.path.realpath(results)} if results and lies_in(results, str(folder)) else set[str]()
    for root, folders, files in os.walk(folder, onerror=closed.append, followlinks=True):
        true_root = os.path.realpath(root)
        if true_root in entered:
            folders.clear()
            continue
        entered.add(true_root)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in PHOTO_SUFFIXES:
                yield Path(root, name)
    for error in closed:
        if Path(error.filename) == folder:
            raise PhotoError(folder, f"cannot be read: {error.strerror}") from error
        yield Path(error.filename)


def _version(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:  # its reading will say why
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


def _find_s3(address: str, results: str | None) -> Iterator[Item]:
    bucket, prefix = split_address(address)
    inside = results.rstrip("/") + "/" if results and lies_in(results, address) else None
    for key, etag in listing(bucket, prefix):
        if inside and f"{S3}{bucket}/{key}".startswith(inside):
            continue
        whole = key == prefix
        if not whole and prefix and not prefix.endswith("/") and not key.startswith(prefix + "/"):
            continue  # s3://bucket/old must not match older/
        name = PurePosixPath(key)
        if whole or (name.suffix.lower() in PHOTO_SUFFIXES and not name.name.startswith(".")):
            relative = name.name if whole else key[len(prefix) :].lstrip("/")
            yield Item(f"{S3}{bucket}/{key}", PurePosixPath(relative), in_folder=not whole, version=etag)
