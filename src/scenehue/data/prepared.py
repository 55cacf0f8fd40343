"""What earlier runs made of photos, so that only new ones are decoded and encoded again.

Every shard that is finished is kept a second time, as a hard link (which costs no disk until DVC puts a copy of its
own in the shard's place); beside it lies a table of what became of each photo. So a killed run is gone on with from
its last shard, and a run after photos were added prepares just these. Results are known by what they depend on: the
photo's bytes, its map's, whether it is stored as it came, and, as the folder's name, the parameters and the code. What
is not part of the last finished data set is removed.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import itertools
import os
import shutil
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
import pyarrow as pa
import pyarrow.parquet as pq

from scenehue.color import lab
from scenehue.data import decode, duplicates, prepare
from scenehue.data.files import code_digest, replacing_file
from scenehue.data.listing import Entry
from scenehue.data.prepare import Prepared, split_of
from scenehue.params import DatasetParams

_TABLE = pa.schema(
    [
        ("key", pa.binary(16)),
        ("reason", pa.string()),
        ("shard", pa.string()),
        ("row", pa.int32()),
        ("checksum", pa.uint32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("original_width", pa.int32()),
        ("original_height", pa.int32()),
        ("mean_chroma", pa.float64()),
        ("hash", pa.uint64()),
    ]
)
_NUMBERS = ("width", "height", "original_width", "original_height", "mean_chroma", "hash")
_SETTINGS = {"short_side", "jpeg_quality", "min_side", "max_megapixels", "min_chroma"}
_FOLDERS = 2  # of other parameters or code, the newest; for who goes to and fro between two
_CODE = (lab, decode, duplicates, prepare)


class PreparedPhotos:
    """Remembers what became of photos.

    Args:
        home: Folder to remember it in; None remembers nothing.
        params: Section ``dataset``.
    """

    def __init__(self, home: Path | None, params: DatasetParams) -> None:
        self._home, self._params = home, params
        self._rows: list[dict[str, Any]] = []
        self._kept = set[str]()
        self._token = os.urandom(4).hex()
        self._table = _TABLE.empty_table()
        if home is not None:
            self._folder = home / _fingerprint(params)
            self._folder.mkdir(parents=True, exist_ok=True)
            os.utime(self._folder)
            tables = [_read(path) for path in sorted(self._folder.glob("*.parquet"))]
            self._table = pa.concat_tables([self._table, *filter(None, tables)]).combine_chunks()
        self._index = {key: row for row, key in enumerate(self._table["key"].to_pylist())}

    def __contains__(self, entry: Entry) -> bool:
        return self._key(entry) in self._index

    def recall(self, entry: Entry) -> Prepared | str:
        """What became of a photo that is contained: the reason if it cannot be used, else all but its bytes."""
        row = self._index[self._key(entry)]
        if (reason := self._table["reason"][row].as_py()) is not None:
            return str(reason)
        return Prepared(b"", **{name: self._table[name][row].as_py() for name in _NUMBERS})

    def files(self, entry: Entry) -> tuple[bytes, bytes | None] | None:
        """The photo and the segmentation map that were stored; None if they were not, or are damaged."""
        row = self._index[self._key(entry)]
        shard = self._table["shard"][row].as_py()
        if shard is None:
            return None
        try:
            photo, map = self._read(shard, self._table["row"][row].as_py())
        except (OSError, pa.ArrowException, IndexError, KeyError):
            return None
        return (photo, map) if _checksum(photo, map) == self._table["checksum"][row].as_py() else None

    def note(self, entry: Entry, result: Prepared | str, place: tuple[str, int] | None = None) -> None:
        """Notes what became of a photo, and its shard and row if it was stored."""
        if self._home is None:
            return
        row: dict[str, Any] = {"key": self._key(entry)}
        if isinstance(result, str):
            row["reason"] = result
        else:
            row |= {name: getattr(result, name) for name in _NUMBERS}
            if place is not None:
                row |= {"shard": self._pack(place[0]), "row": place[1]}
                row["checksum"] = _checksum(result.photo, result.segmentation)
        self._rows.append(row)

    def keep(self, shard: Path) -> None:
        """Keeps a finished shard, and what was noted so far."""
        if self._home is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)  # other experiments may have removed it
        pack = self._folder / self._pack(shard.name)
        try:
            os.link(shard, pack)
        except OSError:  # another disk, or one that knows no links
            shutil.copyfile(shard, pack)
        self._write(pack.name.removesuffix(".arrow"))

    def finish(self) -> None:
        """Keeps the rest of what was noted, and removes what the data set does not need any more."""
        if self._home is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write(f"rest-{self._token}")
        for path in self._folder.iterdir():
            if path.stem not in self._kept:
                path.unlink(missing_ok=True)
        folders = sorted(self._home.iterdir(), key=lambda path: path.stat().st_mtime)
        for folder in folders[:-_FOLDERS]:
            shutil.rmtree(folder, ignore_errors=True)

    def _write(self, name: str) -> None:
        with replacing_file(self._folder / f"{name}.parquet") as partial:
            pq.write_table(pa.Table.from_pylist(self._rows, _TABLE), partial)
        self._kept.add(name)
        self._rows = []

    def _pack(self, shard: str) -> str:
        return f"{shard.removesuffix('.arrow')}-{self._token}.arrow"

    def _key(self, entry: Entry) -> bytes:
        as_it_came = split_of(entry, self._params) == "test"
        return hashlib.blake2b(f"{entry.hash} {as_it_came} {entry.map_hash}".encode(), digest_size=16).digest()

    def _read(self, pack: str, row: int) -> tuple[bytes, bytes | None]:
        starts = self._open(pack)[1]
        number = bisect.bisect_right(starts, row) - 1
        batch, place = self._batch(pack, number), row - starts[number]
        return batch["photo"][place].as_py(), batch["segmentation"][place].as_py()

    # Photos come in nearly the order in which they were stored. Batches are read rather than mapped, since mapped pages
    # of gigabytes would count as this process's memory.
    @functools.lru_cache(maxsize=2)  # noqa: B019  (one instance a run)
    def _batch(self, pack: str, number: int) -> pa.RecordBatch:
        return self._open(pack)[0].get_batch(number)

    @functools.lru_cache(maxsize=2)  # noqa: B019
    def _open(self, pack: str) -> tuple[pa.ipc.RecordBatchFileReader, list[int]]:
        """A kept shard, and the first row of each of its batches."""
        path = str(self._folder / pack)
        mapped = pa.ipc.open_file(pa.memory_map(path))
        sizes = [mapped.get_batch(number).num_rows for number in range(mapped.num_record_batches)]
        return pa.ipc.open_file(pa.OSFile(path)), [0, *itertools.accumulate(sizes)]


def _checksum(photo: bytes, map: bytes | None) -> int:
    return zlib.crc32(map or b"", zlib.crc32(photo))


def _read(path: Path) -> pa.Table | None:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException):
        return None
    return table if table.schema == _TABLE else None


def _fingerprint(params: DatasetParams) -> str:
    """Names all that a photo's preparation depends on, but for the photo."""
    settings = params.model_dump_json(include=_SETTINGS)
    versions = PIL.__version__, cv2.__version__, np.__version__
    return hashlib.sha256("\n".join([settings, *versions, code_digest(*_CODE)]).encode()).hexdigest()[:16]
