"""Where photos come from and where results go: files, folders, standard streams, and S3."""

from __future__ import annotations

import contextlib
import functools
import glob
import io
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

from scenehue.errors import PhotoError, ScenehueError
from scenehue.inference.atomic import written_aside
from scenehue.inference.formats import PHOTO_SUFFIXES

STANDARD = "-"
S3 = "s3://"


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
            yield io.BytesIO(sys.stdin.buffer.read())
        elif self.name.startswith(S3):
            yield io.BytesIO(_download(self.name))
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
        return {key for key, _ in _list(self.bucket, self.prefix)}

    def exists(self, relative: PurePosixPath) -> bool:
        return self._key(relative) in self._keys

    def is_original(self, relative: PurePosixPath, item: Item) -> bool:
        return self.address(relative) == item.name

    @contextlib.contextmanager
    def written(self, relative: PurePosixPath) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, relative.name)
            yield path
            with _s3_errors(self.address(relative)):
                _client().upload_file(str(path), self.bucket, self._key(relative))


def split_address(address: str) -> tuple[str, str]:
    """Bucket and key of an ``s3://`` address.

    Raises:
        ScenehueError: It names no bucket.

    Example:
        >>> split_address("s3://archive/1920/a.jpg")
        ('archive', '1920/a.jpg')
    """
    bucket, _, key = address.removeprefix(S3).partition("/")
    if not bucket:
        raise ScenehueError(f"{address} names no bucket; write s3://BUCKET/PREFIX")
    return bucket, key


@functools.cache
def _client() -> Any:
    try:
        import boto3
    except ModuleNotFoundError as error:
        raise ScenehueError("s3:// needs one more package: pip install 'scenehue[s3]'") from error
    return boto3.client("s3")


@contextlib.contextmanager
def _s3_errors(address: str) -> Iterator[None]:
    _client()
    import boto3.exceptions
    import botocore.exceptions

    try:
        yield
    except botocore.exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "?")
        reason = {"NoSuchKey": "is gone", "404": "is gone", "NoSuchBucket": "has no such bucket"}.get(code, str(error))
        raise PhotoError(address, reason) from error
    except (botocore.exceptions.BotoCoreError, boto3.exceptions.Boto3Error) as error:
        raise PhotoError(address, str(error)) from error


def _download(address: str) -> bytes:
    bucket, key = split_address(address)
    with _s3_errors(address):
        content: bytes = _client().get_object(Bucket=bucket, Key=key)["Body"].read()
        return content


def _list(bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Keys and etags."""
    with _s3_errors(f"{S3}{bucket}/{prefix}"):
        for page in _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                yield entry["Key"], entry["ETag"].strip('"')


def _find_s3(address: str, results: str | None) -> Iterator[Item]:
    bucket, prefix = split_address(address)
    inside = results.rstrip("/") + "/" if results and lies_in(results, address) else None
    for key, etag in _list(bucket, prefix):
        if inside and f"{S3}{bucket}/{key}".startswith(inside):
            continue
        whole = key == prefix
        if not whole and prefix and not prefix.endswith("/") and not key.startswith(prefix + "/"):
            continue  # s3://bucket/old must not match older/
        name = PurePosixPath(key)
        if whole or (name.suffix.lower() in PHOTO_SUFFIXES and not name.name.startswith(".")):
            relative = name.name if whole else key[len(prefix) :].lstrip("/")
            yield Item(f"{S3}{bucket}/{key}", PurePosixPath(relative), in_folder=not whole, version=etag)
