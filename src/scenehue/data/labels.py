"""What a CSV beside the photos says about them: scene class and split."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple, get_args

from scenehue.errors import ArtifactError
from scenehue.params import Split


class Label(NamedTuple):
    """What is known of a photo; empty strings where nothing is."""

    scene: str = ""
    split: str = ""


class Labels:
    """The labels of a folder.

    Args:
        path: CSV with the column ``file`` (path of a loose photo relative to the folder, or name inside a tar) and any
            of ``tar`` (path of that tar; without it, a name counts in each), ``scene`` and ``split``. Other columns are
            ignored.

    Raises:
        ArtifactError: The file is missing, has no column ``file``, names an unknown split, or contradicts itself.
    """

    def __init__(self, path: Path) -> None:
        self._labels: dict[tuple[str, str], Label] = {}
        try:
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                rows = csv.DictReader(file)
                if "file" not in (rows.fieldnames or ()):
                    raise ArtifactError(f"{path} has no column `file`; its first line must name the columns")
                for row in rows:
                    self._add(row, f"{path}, line {rows.line_num}")
        except (OSError, csv.Error) as error:
            raise ArtifactError(f"{path} cannot be read: {error}") from error

    def _add(self, row: dict[str, str | None], place: str) -> None:
        label = Label(*((row.get(column) or "").strip() for column in Label._fields))
        if label.split and label.split not in get_args(Split):
            raise ArtifactError(f"{place}: there is no split {label.split!r}, only {', '.join(get_args(Split))}")
        key = (row.get("tar") or "").removeprefix("./"), (row["file"] or "").removeprefix("./")
        if self._labels.setdefault(key, label) != label:
            raise ArtifactError(f"{place}: {key[1]} was labelled otherwise further up")

    def find(self, path: str, member: str) -> Label | None:
        """The label of a photo, if it has one."""
        if not member:
            return self._labels.get(("", path))
        return self._labels.get((path, member)) or self._labels.get(("", member))
