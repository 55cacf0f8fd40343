"""Photos in a folder of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenehue.data.blobs import ARCHIVES, BlobCache, is_photo, read
from scenehue.data.labels import Labels
from scenehue.data.listing import Entry
from scenehue.errors import ArtifactError
from scenehue.params import Source

COMPRESSED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


@dataclass(frozen=True)
class FolderSource:
    """A folder of photos, at any depth, in any mix of JPEG, PNG, WebP and TIFF, loose, in tars or in zips.

    These are never unpacked: a photo is read at its place inside. Hidden files and folders are passed over, links
    followed. A loose photo that cannot be read is listed without a hash, for the data set to reject.

    Args:
        index: Index of the source in ``dataset.sources``.
        source: Its parameters.
        folder: Where it is on this machine.
    """

    index: int
    source: Source
    folder: Path

    def state(self) -> list[Any] | None:
        """None: only listing tells what there is."""
        return None

    def entries(self, cache: BlobCache) -> Iterator[Entry]:
        """Lists the photos, by path.

        Raises:
            ArtifactError: There is no such folder or no photo in it, or a folder, archive or labels cannot be used.
        """
        if not self.folder.is_dir():
            raise ArtifactError(f"{self.folder} is no folder; correct the path of dataset.sources[{self.index}]")
        labels = Labels(self.folder / self.source.labels) if self.source.labels else None
        files = sorted(self._files())
        count = labelled = 0
        with ThreadPoolExecutor() as pool:
            for path, blobs in zip(files, pool.map(cache.scan, (self.folder / path for path in files)), strict=True):
                for member, offset, size, hash in blobs:
                    label = labels.find(path, member) if labels else None
                    count, labelled = count + 1, labelled + (label is not None)
                    split = (label and label.split) or self.source.split or ""
                    scene = label.scene if label else ""
                    yield Entry(self.index, self.source.kind, path, member, offset, size, hash, split, scene)
        if not count:
            raise ArtifactError(
                f"{self.folder} holds no JPEG, PNG, WebP or TIFF photo, neither loose nor in a tar or zip"
            )
        if labels and not labelled:
            raise ArtifactError(
                f"{self.folder / str(self.source.labels)} labels none of the photos; its column `file` must hold paths "
                "relative to the source's folder, or names inside the tar that its column `tar` names"
            )

    def fetch(self, cache: BlobCache) -> None:
        """Nothing: what there is, is here."""

    def read(self, entry: Entry) -> bytes:
        """The bytes of one listed photo."""
        return read(self.folder / entry.path, entry.offset, entry.size)

    def segmentation(self, entry: Entry) -> bytes | None:
        """None: a folder has no segmentation maps."""
        return None

    def _files(self) -> Iterator[str]:
        """Paths of photos and archives, relative to the folder."""
        visited = set()
        for folder, subfolders, names in os.walk(self.folder, onerror=_raise_unreadable, followlinks=True):
            visited.add(os.path.realpath(folder))
            subfolders[:] = [
                name
                for name in subfolders
                if not name.startswith(".") and os.path.realpath(os.path.join(folder, name)) not in visited
            ]
            place = Path(folder).relative_to(self.folder)
            for name in names:
                if is_photo(name) or (name.lower().endswith(ARCHIVES) and not name.startswith(".")):
                    yield os.path.join(place, name) if place.parts else name
                elif name.lower().endswith(COMPRESSED_TARS) and not name.startswith("."):
                    raise ArtifactError(
                        f"{os.path.join(folder, name)} is compressed, so that no photo in it can be reached without "
                        "unpacking those before; turn it into a plain .tar, or move it elsewhere"
                    )


def _raise_unreadable(error: OSError) -> None:
    raise ArtifactError(
        f"{error.filename} cannot be read: {error.strerror}; let this account read the folder, or move it elsewhere"
    ) from error
