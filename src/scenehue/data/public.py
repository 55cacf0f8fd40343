"""Public data sets: COCO-Stuff and DIV2K, read from the zips in which their authors give them out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenehue.data.archives import Order, fetch_archives
from scenehue.data.blobs import Blob, BlobCache, file_state, read
from scenehue.data.listing import Entry
from scenehue.errors import ArtifactError
from scenehue.params import CocoStuffSource, Div2kSource

TRAIN, VAL, MAPS = "train2017.zip", "val2017.zip", "stuffthingmaps_trainval2017.zip"


@dataclass(frozen=True)
class CocoStuff:
    """COCO's photos of 2017 with COCO-Stuff's pixel maps, where there is one.

    Args:
        index: Index of the source in ``dataset.sources``.
        source: Its parameters.
        folder: Where its zips are, or will be.
    """

    index: int
    source: CocoStuffSource
    folder: Path

    def fetch(self, cache: BlobCache) -> None:
        """Brings the zips that are missing."""
        fetch_archives(self._orders())

    def state(self) -> list[Any] | None:
        """The parameters and the zips."""
        return [self.source.model_dump(), [file_state(order.path) for order in self._orders()]]

    def entries(self, cache: BlobCache) -> Iterator[Entry]:
        """Lists the photos with their maps.

        Raises:
            ArtifactError: A zip is damaged, or holds other photos than it should.
        """
        maps = {blob.member: blob for blob in cache.scan(self.folder / MAPS)} if self.source.maps else {}
        for name, archive in ((TRAIN, self.source.train), (VAL, self.source.val)):
            if archive is None:
                continue
            for blob in _photos(self.folder / name, name.removesuffix(".zip"), cache):
                map = maps.get(os.path.splitext(blob.member)[0] + ".png")
                place = (map.offset, map.size, map.hash) if map else (0, 0, "")
                yield Entry(self.index, self.source.kind, name, *blob, self._split(name, blob), "", "", *place)

    def read(self, entry: Entry) -> bytes:
        """The bytes of one listed photo."""
        return read(self.folder / entry.path, entry.offset, entry.size)

    def segmentation(self, entry: Entry) -> bytes | None:
        """Its pixel map: a PNG of COCO-Stuff's values, 0 to 181 or 255."""
        return read(self.folder / MAPS, entry.map_offset, entry.map_size) if entry.map_hash else None

    def _orders(self) -> list[Order]:
        archives = {TRAIN: self.source.train, VAL: self.source.val, MAPS: self.source.maps}
        return [Order(archive, self.folder / name) for name, archive in archives.items() if archive]

    def _split(self, name: str, blob: Blob) -> str:
        if name == VAL:
            return self.source.val_split
        return "val" if int(blob.hash[:13], 16) / 16**13 >= 1 - self.source.val_share else "train"


@dataclass(frozen=True)
class Div2k:
    """DIV2K's validation photos, all for the test split.

    Args:
        index: Index of the source in ``dataset.sources``.
        source: Its parameters.
        folder: Where its zips are, or will be.
    """

    index: int
    source: Div2kSource
    folder: Path

    def fetch(self, cache: BlobCache) -> None:
        """Brings the zip, if it is missing."""
        archive = self.source.full if self.source.size == "full" else self.source.x4
        fetch_archives([Order(archive, self.folder / self._name)])

    def state(self) -> list[Any] | None:
        """The parameters and the zip."""
        return [self.source.model_dump(), file_state(self.folder / self._name)]

    def entries(self, cache: BlobCache) -> Iterator[Entry]:
        """Lists the photos.

        Raises:
            ArtifactError: The zip is damaged, or holds other photos than it should.
        """
        inside = "DIV2K_valid_HR" if self.source.size == "full" else "DIV2K_valid_LR_bicubic/X4"
        for blob in _photos(self.folder / self._name, inside, cache):
            yield Entry(self.index, self.source.kind, self._name, *blob, "test")

    def read(self, entry: Entry) -> bytes:
        """The bytes of one listed photo."""
        return read(self.folder / entry.path, entry.offset, entry.size)

    def segmentation(self, entry: Entry) -> bytes | None:
        """None: DIV2K has no maps."""
        return None

    @property
    def _name(self) -> str:
        return "DIV2K_valid_HR.zip" if self.source.size == "full" else "DIV2K_valid_LR_bicubic_X4.zip"


def _photos(path: Path, inside: str, cache: BlobCache) -> list[Blob]:
    photos = [blob for blob in cache.scan(path) if os.path.dirname(blob.member) == inside]
    if not photos:
        raise ArtifactError(f"{path} has no photo in a folder {inside}; is its address in params.yaml the right one?")
    return photos
