"""Photos in zips, read at their place: nothing is ever unpacked to disk."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from scenehue.errors import ArtifactError

_MOST_BYTES = 512 << 20  # of one member
_MOST_GROWTH = 100  # of all members together; photos are compressed already
_CHUNK = 1 << 20
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")


def scan_zip(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, int, int, str]]:
    """Lists members, and checks them against their CRC.

    Args:
        path: The zip.
        wanted: Says of a member's normalised name whether it counts.

    Yields:
        Name, place of the member's header, size when unpacked, SHA-256 of the unpacked bytes in hex. Of several members
        with one name the last counts; folders and links are passed over.

    Raises:
        ArtifactError: The zip is truncated or damaged, encrypted, compressed in an uncommon way, or a bomb.
    """
    try:
        with zipfile.ZipFile(path) as file:
            members = {os.path.normpath(member.filename): member for member in file.infolist()}
            members = {name: m for name, m in members.items() if wanted(name) and _is_regular(m)}
            _refuse_bombs(path, members)
            for name, member in members.items():
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
                    raise ArtifactError(f"{path}: {name} is encrypted, or not compressed by deflate; make the zip anew")
                digest = hashlib.sha256()
                with file.open(member) as content:
                    while chunk := content.read(_CHUNK):
                        digest.update(chunk)
                yield name, member.header_offset, member.file_size, digest.hexdigest()
    # What zipfile raises on damage; NotImplementedError is its word for a compression that it does not know.
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged, or no zip: {error}") from error
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error


def read_member(path: Path, offset: int, size: int) -> bytes:
    """The unpacked bytes of a listed member, without a look at the zip's directory.

    Args:
        path: The zip.
        offset: Place of the member's header.
        size: How many bytes there are, unpacked; never more are made.

    Raises:
        OSError: The zip cannot be read.
        ArtifactError: There is no such member any more.
    """
    with path.open("rb") as file:
        file.seek(offset)
        header = file.read(_LOCAL_HEADER.size)
        if len(header) == _LOCAL_HEADER.size and header.startswith(b"PK\3\4"):
            fields = _LOCAL_HEADER.unpack(header)
            method, name_length, extra_length = fields[3], *fields[-2:]
            file.seek(name_length + extra_length, os.SEEK_CUR)
            if method == zipfile.ZIP_STORED:
                return file.read(size)
            # Deflate ends by itself; what it cannot shrink grows by 5 bytes a block of 16 KB at most.
            try:
                return zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(size + size // 1000 + 64), size)
            except zlib.error:
                pass
    raise ArtifactError(f"{path} has changed since it was listed; run the stage sources again")


def _is_regular(member: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(member.external_attr >> 16)
    return not member.is_dir() and kind in (0, stat.S_IFREG)


def _refuse_bombs(path: Path, members: dict[str, zipfile.ZipInfo]) -> None:
    for name, member in members.items():
        if member.file_size > _MOST_BYTES:
            raise ArtifactError(f"{path}: {name} would unpack to {member.file_size >> 20} MB; no photo does")
    if sum(m.file_size for m in members.values()) > _MOST_GROWTH * path.stat().st_size:
        raise ArtifactError(f"{path} would unpack to more than {_MOST_GROWTH} times its size; it is a zip bomb")
