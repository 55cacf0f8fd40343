"""Listings of sources that need not be listed again, because what they follow from has not changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from scenehue.data import blobs, listing, public, zips
from scenehue.data.files import code_digest, replacing_file
from scenehue.data.sources import PhotoSource

_CODE = (blobs, listing, public, zips)


class ListedParts:
    """Remembers the listings of sources that tell what theirs follows from: of a few big archives, say.

    Args:
        folder: Folder to remember them in; None remembers nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._used: set[Path] = set()

    def find(self, index: int, source: PhotoSource) -> str | None:
        """The rows of a source's photos, if they are remembered and its state is the same."""
        path = self._path(index, source)
        return path.read_text(encoding="utf-8", errors="surrogateescape") if path and path.is_file() else None

    def keep(self, index: int, source: PhotoSource, rows: str) -> None:
        """Remembers the rows of a source's photos, if it tells its state."""
        if path := self._path(index, source):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing_file(path) as partial:
                partial.write_text(rows, encoding="utf-8", errors="surrogateescape")

    def forget_others(self) -> None:
        """Forgets what neither was found nor kept since this was opened."""
        for path in self._folder.iterdir() if self._folder and self._folder.is_dir() else ():
            if path not in self._used:
                path.unlink(missing_ok=True)

    def _path(self, index: int, source: PhotoSource) -> Path | None:
        if self._folder is None or (state := source.state()) is None:
            return None
        name = hashlib.sha256(json.dumps([index, state, code_digest(*_CODE)]).encode()).hexdigest()[:32]
        self._used.add(self._folder / f"{name}.csv")
        return self._folder / f"{name}.csv"
