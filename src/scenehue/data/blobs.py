"""Photos as stretches of bytes in files: a loose file is one, a tar holds many. Tars are never unpacked."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from scenehue.data.files import replacing_file
from scenehue.errors import ArtifactError

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff")
_SETTLED_SECONDS = 2


class Blob(NamedTuple):
    """The bytes of one photo.

    Attributes:
        member: Name within the tar; empty for a loose file.
        offset: Where in the file they begin.
        size: How many there are.
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
        path: A photo, or a plain tar. Of several members with one name the last counts, as when unpacking; links,
            devices, sparse members and those outside the tar's folder are passed over.

    Returns:
        A blob each; `UNREADABLE` for a photo that cannot be read, such as a link to nowhere.

    Raises:
        ArtifactError: The tar is compressed or damaged, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            if path.suffix.lower() != ".tar":
                return [Blob("", 0, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())]
            with tarfile.open(fileobj=file, mode="r:") as tar:
                members = {os.path.normpath(member.name): member for member in tar if member.isreg()}
            photos = {name: m for name, m in members.items() if is_photo(name) and not m.issparse()}
            return [_member(path, file.fileno(), name, member) for name, member in photos.items()]
    except tarfile.TarError as error:
        raise ArtifactError(f"{path} is damaged, or no plain tar: {error}") from error
    except OSError as error:
        if path.suffix.lower() != ".tar":
            return [UNREADABLE]
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error


def _member(path: Path, file: int, name: str, member: tarfile.TarInfo) -> Blob:
    data = os.pread(file, member.size, member.offset_data)
    if len(data) < member.size:
        raise ArtifactError(f"{path} is truncated within {name}")
    return Blob(name, member.offset_data, member.size, hashlib.sha256(data).hexdigest())


class BlobCache:
    """Remembers what files held, so that unchanged ones need not be read again. Thread-safe.

    A file is unchanged while its size, its times of change and its inode are; one changed within the last two seconds
    is not remembered, because it could change again without the clock showing it.

    Args:
        path: JSON file to remember it in; None remembers nothing. A damaged one is ignored.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, list[Any]] = {}
        self._seen: dict[str, list[Any]] = {}
        if path is not None:
            try:
                known = json.loads(path.read_text(encoding="utf-8"))
                self._known = known if isinstance(known, dict) else {}
            except (OSError, ValueError):
                pass

    def scan(self, path: Path) -> list[Blob]:
        """As the function `scan`, from memory where possible."""
        try:
            stat = path.stat()
        except OSError:
            return scan(path)
        key, state = os.fspath(path.absolute()), [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        known = self._known.get(key)
        blobs = [Blob(*blob) for blob in known[1]] if known and known[0] == state else scan(path)
        if blobs != [UNREADABLE] and time.time() - max(stat.st_mtime, stat.st_ctime) > _SETTLED_SECONDS:
            self._seen[key] = [state, blobs]
        return blobs

    def save(self) -> None:
        """Writes down what was seen since this was opened, and forgets the rest."""
        if self._path is not None and self._seen:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replacing_file(self._path) as partial:
                partial.write_text(json.dumps(self._seen), encoding="utf-8")
