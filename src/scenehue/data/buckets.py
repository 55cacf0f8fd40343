"""Photos in a bucket of S3, or of a store like it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from scenehue.data.archives import locked
from scenehue.data.blobs import ARCHIVES, UNREADABLE, Blob, BlobCache, is_photo, read, scan
from scenehue.data.fetch import demand_room, fetch, persist, progress_bars
from scenehue.data.labels import Labels
from scenehue.data.listing import Entry
from scenehue.data.remotes import Found, S3Remote, s3_client, s3_errors
from scenehue.errors import ArtifactError
from scenehue.params import S3Source

_THREADS = 16
_PAGE = 1000  # keys


class Object(NamedTuple):
    """A file in the bucket: its name below the prefix, its size, and its etag, which changes with its content."""

    name: str
    size: int
    etag: str


@dataclass(frozen=True)
class BucketSource:
    """The photos below a prefix, loose, in tars or in zips.

    Objects are fetched once each, and again only when their etag changes: into a folder of their own, under names made
    of key and etag, so that no key can lead out of it. What is remembered of an object needs no file; should its bytes
    be asked for all the same, they are fetched then.

    Args:
        index: Index of the source in ``dataset.sources``.
        source: Its parameters.
        downloads: Where folders of fetched objects are.
    """

    index: int
    source: S3Source
    downloads: Path

    def fetch(self, cache: BlobCache) -> None:
        """Lists the bucket, brings what is new, and removes what is not there any more.

        Raises:
            ArtifactError: The bucket does not answer or may not be read, or the disk has too little room.
        """
        wanted = {self._local(found): found for found in self._objects if self._is_wanted(found.name)}
        missing = {path: found for path, found in wanted.items() if not path.exists() and not self._known(found, cache)}
        demand_room(self.folder, sum(found.size for found in missing.values()))
        for path in self.folder.iterdir():
            if path not in wanted and not path.name.startswith("."):
                path.unlink()
        if not missing:
            return
        with progress_bars() as bars, ThreadPoolExecutor(_THREADS) as pool:
            task = bars.add_task(self.source.path, total=sum(found.size for found in missing.values()))
            try:
                for size in pool.map(self._fetch, missing.values()):
                    bars.advance(task, size)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def state(self) -> list[Any] | None:
        """None: only listing tells what there is."""
        return None

    def entries(self, cache: BlobCache) -> Iterator[Entry]:
        """Lists the photos, by key.

        Raises:
            ArtifactError: There is no photo, or an archive or the labels cannot be used.
        """
        labels = self._labels()
        count = 0
        for found in self._objects:
            if not (is_photo(found.name) or found.name.lower().endswith(ARCHIVES)):
                continue
            for blob in self._blobs(found, cache):
                label = labels.find(found.name, blob.member) if labels else None
                split, scene = (label.split, label.scene) if label else ("", "")
                split, count = split or self.source.split or "", count + 1
                yield Entry(self.index, self.source.kind, found.name, *blob, split, scene, found.etag)
        if not count:
            raise ArtifactError(f"{self.source.address} holds no JPEG, PNG, WebP or TIFF photo; correct the address")

    def read(self, entry: Entry) -> bytes:
        """The bytes of one listed photo."""
        path = self._local(Object(entry.path, entry.size, entry.etag))
        if not path.exists():
            there = S3Remote(f"{self.source.path}/{entry.path}", self._client)
            size = persist(there.find, there.address).size
            with locked(path):
                if not path.exists():  # another process may have fetched it meanwhile
                    self._fetch(Object(entry.path, size, entry.etag))
        return read(path, entry.offset, entry.size)

    def segmentation(self, entry: Entry) -> bytes | None:
        """None: photos in buckets have no maps."""
        return None

    @property
    def folder(self) -> Path:
        """Where this source's objects go."""
        place = f"{self.source.endpoint}\n{self.source.path}"
        return self.downloads / hashlib.sha256(place.encode()).hexdigest()[:16]

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("index", "source", "downloads")}

    @functools.cached_property
    def _client(self) -> Any:
        return s3_client(self.source.endpoint, self.source.unsigned)

    @functools.cached_property
    def _objects(self) -> list[Object]:
        """What lies below the prefix, by key."""
        bucket, _, prefix = self.source.path.removeprefix("s3://").partition("/")
        prefix = f"{prefix}/" if prefix else ""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _PAGE}
        )

        def list_all() -> list[Object]:
            with s3_errors(self.source.address):
                return [
                    Object(found["Key"].removeprefix(prefix), found["Size"], found["ETag"].strip('"'))
                    for page in pages
                    for found in page.get("Contents", ())
                ]

        return sorted(persist(list_all, self.source.address))

    def _is_wanted(self, name: str) -> bool:
        return is_photo(name) or name.lower().endswith(ARCHIVES) or name == self.source.labels

    def _local(self, found: Object) -> Path:
        name = hashlib.sha256(f"{found.name}\n{found.etag}".encode()).hexdigest()
        return self.folder / (name + PurePosixPath(found.name).suffix.lower())

    def _fetch(self, found: Object) -> int:
        there = S3Remote(f"{self.source.path}/{found.name}", self._client)
        fetch(there, Found(found.size, f'"{found.etag}"', ranges=found.size > 0), self._local(found))
        return found.size

    def _key(self, found: Object) -> str:
        return f"{self.source.endpoint} {self.source.path}/{found.name}"

    def _known(self, found: Object, cache: BlobCache) -> bool:
        return cache.recall(self._key(found), [found.etag, found.size]) is not None

    def _blobs(self, found: Object, cache: BlobCache) -> list[Blob]:
        state = [found.etag, found.size]
        if (known := cache.recall(self._key(found), state)) is not None:
            return known
        blobs = scan(self._local(found))
        if blobs != [UNREADABLE]:
            cache.remember(self._key(found), state, blobs)
        return blobs

    def _labels(self) -> Labels | None:
        if not self.source.labels:
            return None
        for found in self._objects:
            if found.name == self.source.labels:
                return Labels(self._local(found))
        raise ArtifactError(f"{self.source.path} has no {self.source.labels}, which `labels` names")
