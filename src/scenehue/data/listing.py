"""The listing: one row for each photo that there is, and the only thing by which later stages know the world."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from scenehue.data.files import replacing_file
from scenehue.errors import ArtifactError


@dataclass(frozen=True, order=True)
class Entry:
    """One photo in the listing.

    Attributes:
        source: Index of its source in ``dataset.sources``.
        kind: Kind of its source.
        path: File that holds it, relative to the source's folder, with ``/``.
        member: Name inside that file if it is a tar, else empty.
        offset: Where in the file its bytes begin.
        size: How many bytes.
        hash: SHA-256 of those bytes, in hex; empty if the file could not be read.
        split: The split that its source or a label gives it, else empty.
        scene: Its scene class as the label names it, else empty.
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

    @property
    def name(self) -> str:
        """The photo's name within its source: ``path``, or ``path!member`` in a tar."""
        return f"{self.path}!{self.member}" if self.member else self.path


COLUMNS = [field.name for field in fields(Entry)]


def write_listing(path: Path, entries: Iterable[Entry]) -> None:
    """Writes entries, sorted, as CSV; the same entries give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        replacing_file(path) as partial,
        partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(vars, sorted(entries)))


def read_listing(path: Path) -> list[Entry]:
    """Reads what `write_listing` wrote.

    Raises:
        ArtifactError: The listing is missing or was not written by this version.
    """
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = csv.DictReader(file)
            if rows.fieldnames != COLUMNS:
                raise ValueError("other columns")
            return [_entry(row) for row in rows]
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing; run the stage sources first") from error
    except (TypeError, ValueError, csv.Error) as error:
        raise ArtifactError(
            f"{path} is damaged or of another version; run the stage sources again ({error})"
        ) from error


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(**row | {column: int(row[column]) for column in ("source", "offset", "size")})
