"""Photographs that arrived after a model version was made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from flows.pages import photo_ids
from scenehue.data.files import replacing_file
from scenehue.data.shards import PhotoDataset
from scenehue.registry.candidates import listed_photos
from scenehue.registry.versions import Registry, Version

_NOTES = ".dvc/tmp/scenehue-known"


class Chosen:
    """Some photographs of a data set, of whatever split, to be measured on."""

    def __init__(self, photos: PhotoDataset, ids: Iterable[str]) -> None:
        wanted = set(ids)
        self._photos = photos
        self._places = [place for place, id in enumerate(photos.ids) if id in wanted]
        self.manifest: pa.Table = photos.manifest.take(self._places)
        self.ids: Sequence[str] = self.manifest["id"].to_pylist()

    def __len__(self) -> int:
        return len(self._places)

    def encoded(self, index: int) -> bytes:
        return self._photos.encoded(self._places[index])

    def segmentation(self, index: int) -> bytes | None:
        return self._photos.segmentation(self._places[index])


def arrived_since(registry: Registry, version: Version, root: Path) -> frozenset[str]:
    """Ids of the photographs in the data set that a version cannot have seen, in training or in its evaluation.

    A version knows the photographs there were when it was made. Released weights do not: for them the photographs count
    that arrived after this was first called.

    Args:
        registry: Where the version's package is.
        version: The version.
        root: The repository, with ``artifacts/dataset``.
    """
    known, now = listed_photos(registry, version), photo_ids(root)
    if known is not None:
        return now - known.keys()
    note = root / _NOTES / f"{version.checkpoint[:32]}.json"
    if not note.is_file():
        note.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file(note) as partial:
            partial.write_text(json.dumps(sorted(now)))
    return now - frozenset(json.loads(note.read_text()))
