"""The listing: one row for each photo that there is, and the only thing by which later stages know the world."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from sys import intern
from typing import NamedTuple

from scenehue.data.files import replacing_file
from scenehue.errors import ArtifactError


class Entry(NamedTuple):
    """One photo in the listing.

    Attributes:
        source: Index of its source in ``dataset.sources``.
        kind: Kind of its source.
        path: File that holds it, relative to the source's folder, with ``/``.
        member: Name inside that file if it is a tar or zip, else empty.
        offset: Where in the file its bytes begin; in a zip, the header before them does.
        size: How many bytes, unpacked.
        hash: SHA-256 of those bytes, in hex; empty if the file could not be read.
        split: The split that its source or a label gives it, else empty.
        scene: Its scene class as the label names it, else empty.
        etag: What a bucket knows the file's content by, else empty.
        map_offset: As `offset`, for its segmentation map in the source's file of maps.
        map_size: As `size`, for its segmentation map.
        map_hash: As `hash`, for its segmentation map; empty if it has none.
    """

    source: int
    kind: str
    path: str
    member: str
    offset: int
    size: int
    hash: str
    split: str = ""
    scene: str = ""
    etag: str = ""
    map_offset: int = 0
    map_size: int = 0
    map_hash: str = ""

    @property
    def name(self) -> str:
        """The photo's name within its source: ``path``, or ``path!member`` in a tar or zip."""
        return f"{self.path}!{self.member}" if self.member else self.path


COLUMNS = list(Entry._fields)


def write_listing(path: Path, entries: Iterable[Entry]) -> None:
    """Writes entries, sorted, as CSV; the same entries give the same bytes."""
    write_rows(path, [rows_of(entries)])


def rows_of(entries: Iterable[Entry]) -> str:
    """The entries' part of a listing; parts of one source each, in the order of the sources, make a whole one."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(entries))
    return text.getvalue()


def write_rows(path: Path, parts: Iterable[str]) -> None:
    """Writes a listing made of parts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        replacing_file(path) as partial,
        partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        file.write(",".join(COLUMNS) + "\n")
        file.writelines(parts)


def read_listing(path: Path) -> list[Entry]:
    """Reads what `write_listing` wrote.

    Raises:
        ArtifactError: The listing is missing or was not written by this version.
    """
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = csv.reader(file)
            if next(rows, None) != COLUMNS:
                raise ValueError("other columns")
            return [_entry(row) for row in rows]
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing; run the stage sources first") from error
    except (TypeError, ValueError, csv.Error) as error:
        raise ArtifactError(
            f"{path} is damaged or of another version; run the stage sources again ({error})"
        ) from error


def _entry(row: list[str]) -> Entry:
    source, kind, path, member, offset, size, hash, split, scene, etag, map_offset, map_size, map_hash = row
    return Entry(
        int(source),
        intern(kind),  # interned where thousands of rows say the same
        intern(path) if member else path,
        member,
        int(offset),
        int(size),
        hash,
        intern(split),
        intern(scene),
        etag,
        int(map_offset),
        int(map_size),
        map_hash,
    )
