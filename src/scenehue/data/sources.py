"""Where photos come from: each kind of source lists its photos and hands out their bytes.

A new kind is a class with the methods of `PhotoSource`, entered into `open_source`, and its parameters in
`scenehue.params.AnySource`. Nothing else needs to know it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from scenehue.data.blobs import BlobCache
from scenehue.data.buckets import BucketSource
from scenehue.data.files import home_of
from scenehue.data.folders import FolderSource
from scenehue.data.listing import Entry
from scenehue.data.public import CocoStuff, Div2k
from scenehue.params import AnySource, CocoStuffSource, Div2kSource, S3Source


class PhotoSource(Protocol):
    """What the stages need of a source. Instances are pickled to other processes."""

    def fetch(self, cache: BlobCache) -> None:
        """Brings what is missing to this machine, and shows how far it is.

        Args:
            cache: Remembers what was listed before; what it knows need not be brought.

        Raises:
            ArtifactError: It cannot be had, or there is no room for it.
        """

    def state(self) -> list[Any] | None:
        """What the listing follows from, as JSON knows it; None if only listing tells. After `fetch`."""

    def entries(self, cache: BlobCache) -> Iterator[Entry]:
        """Lists the photos, in any order, after `fetch`.

        Args:
            cache: Remembers hashes of what was listed before.

        Raises:
            ArtifactError: There is no photo, or the source cannot be used.
        """

    def read(self, entry: Entry) -> bytes:
        """The bytes of one listed photo; called from several processes at once.

        Raises:
            ArtifactError: The photo is gone.
        """

    def segmentation(self, entry: Entry) -> bytes | None:
        """The photo's segmentation map, if it has one: a PNG of the upright photo's size, a class number a pixel."""


def open_sources(sources: Sequence[AnySource], root: Path, downloads: str = "downloads") -> list[PhotoSource]:
    """The sources that the parameters name.

    Args:
        sources: ``dataset.sources``.
        root: Folder to which their paths are relative.
        downloads: ``machine.downloads``; relative to the root, or to the repository that the root is a copy of.
    """
    return [open_source(index, source, root, home_of(root) / downloads) for index, source in enumerate(sources)]


def open_source(index: int, source: AnySource, root: Path, downloads: Path) -> PhotoSource:
    """One of them; what it fetches goes into a folder of `downloads`."""
    match source:
        case CocoStuffSource():
            return CocoStuff(index, source, downloads / source.kind)
        case Div2kSource():
            return Div2k(index, source, downloads / source.kind)
        case S3Source():
            return BucketSource(index, source, downloads / source.kind)
        case _:
            return FolderSource(index, source, root / source.path)
