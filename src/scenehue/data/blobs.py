"""Photos as stretches of bytes in files: a loose file is one, a tar or zip holds many. These are never unpacked."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import stat
import tarfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from scenehue.data.files import replacing_file
from scenehue.data.zips import read_member, scan_zip
from scenehue.errors import ArtifactError

ARCHIVES = (".tar", ".zip")
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff")
_SETTLED_SECONDS = 2


class Blob(NamedTuple):
    """The bytes of one photo.

    Attributes:
        member: Name within the tar or zip; empty for a loose file.
        offset: Where in the file they begin; in a zip, the header before them does.
        size: How many there are, unpacked.
        hash: Their SHA-256, in hex; empty if they could not be read.
    """

    member: str
    offset: int
    size: int
    hash: str


UNREADABLE = Blob("", 0, 0, "")
"""What a loose file is that cannot be read."""


def is_photo(name: str) -> bool:
    """Whether a name is a photo's, by its suffix, and not a hidden file's."""
    return name.lower().endswith(SUFFIXES) and not any(part.startswith(".") for part in name.split("/"))


def scan(path: Path) -> list[Blob]:
    """The photos in a file.

    Args:
        path: A photo, a plain tar, or a zip. Of several members with one name the last counts, as when unpacking;
            links, devices, sparse members and those outside the archive's folder are passed over.

    Returns:
        A blob each; `UNREADABLE` for a photo that cannot be read, such as a link to nowhere or a pipe.

    Raises:
        ArtifactError: The archive is damaged, a compressed tar or a zip bomb, or cannot be read.
    """
    suffix = path.suffix.lower()
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(0, "it is no file")  # opening a pipe would wait for ever
        if suffix == ".zip":
            return [Blob(*member) for member in scan_zip(path, is_photo)]
        with path.open("rb") as file:
            if suffix != ".tar":
                return [Blob("", 0, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())]
            with tarfile.open(fileobj=file, mode="r:") as tar:
                members = {os.path.normpath(member.name): member for member in tar if member.isreg()}
            photos = {name: m for name, m in members.items() if is_photo(name) and not m.issparse()}
            return [_member(path, file.fileno(), name, member) for name, member in photos.items()]
    except tarfile.TarError as error:
        raise ArtifactError(f"{path} is damaged, or no plain tar: {error}") from error
    except OSError as error:
        if suffix not in ARCHIVES:
            return [UNREADABLE]
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error


def read(path: Path, offset: int, size: int) -> bytes:
    """The bytes of a photo that `scan` found.

    Args:
        path: The file.
        offset: As in its blob.
        size: As in its blob.

    Raises:
        ArtifactError: The file is gone, or another one.
    """
    try:
        if path.suffix.lower() == ".zip":
            return read_member(path, offset, size)
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read any more: {error.strerror}; run the stage sources again") from error


def _member(path: Path, file: int, name: str, member: tarfile.TarInfo) -> Blob:
    data = os.pread(file, member.size, member.offset_data)
    if len(data) < member.size:
        raise ArtifactError(f"{path} is truncated within {name}")
    return Blob(name, member.offset_data, member.size, hashlib.sha256(data).hexdigest())


def file_state(path: Path) -> list[int]:
    """Size, times of change, and inode: while these are the same, a file is unchanged."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


class BlobCache:
    """Remembers what files held, so that unchanged ones need not be read again. Thread-safe.

    A file is unchanged while its size, its times of change and its inode are; one changed within the last two seconds
    is not remembered, because it could change again without the clock showing it.

    Args:
        path: JSON file to remember it in; None remembers nothing. A damaged one is ignored.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: dict[str, list[Any]] = {}

    @functools.cached_property
    def _known(self) -> dict[str, list[Any]]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8")) if self._path else {}
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def scan(self, path: Path) -> list[Blob]:
        """As the function `scan`, from memory where possible."""
        try:
            state = file_state(path)
        except OSError:
            return scan(path)
        key = os.fspath(path.absolute())
        if (known := self.recall(key, state)) is not None:
            return known
        blobs = scan(path)
        if blobs != [UNREADABLE] and time.time() - max(state[1:3]) / 1e9 > _SETTLED_SECONDS:
            self.remember(key, state, blobs)
        return blobs

    def recall(self, key: str, state: list[Any]) -> list[Blob] | None:
        """What was remembered under a key, if its state is still the same."""
        known = self._known.get(key)
        if not known or known[0] != state:
            return None
        self._seen[key] = known
        return [Blob(*blob) for blob in known[1]]

    def remember(self, key: str, state: list[Any], blobs: list[Blob]) -> None:
        """Remembers blobs for as long as the state, made of what JSON knows, is the same."""
        self._seen[key] = [state, blobs]

    def save(self) -> None:
        """Writes down what was seen since this was opened, and what is still so; forgets the rest."""
        if self._path is None or not self._seen or all(self._known.get(key) is v for key, v in self._seen.items()):
            return
        kept = {key: value for key, value in self._known.items() if key not in self._seen and _is_still_so(key, value)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file(self._path) as partial:
            partial.write_text(json.dumps(kept | self._seen), encoding="utf-8")


def _is_still_so(key: str, value: list[Any]) -> bool:
    try:
        return file_state(Path(key)) == value[0]
    except OSError:
        return False
