"""Encoded photos in a few large Arrow files that are mapped into memory: any photo is one slice away.

Measured against Parquet, tars and LitData by ``benchmarks/shard_formats.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scenehue.errors import ArtifactError

SHARD = pa.schema([("id", pa.string()), ("photo", pa.large_binary()), ("segmentation", pa.large_binary())])
MANIFEST = pa.schema(
    [
        ("id", pa.string()),
        ("split", pa.string()),
        ("source", pa.int32()),
        ("path", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("original_width", pa.int32()),
        ("original_height", pa.int32()),
        ("mean_chroma", pa.float32()),
        ("scene", pa.string()),
        ("has_segmentation", pa.bool_()),
        ("shard", pa.string()),
        ("row", pa.int64()),
    ]
)
_BATCH_ROWS = 256
_BATCH_BYTES = 16 << 20


class ShardWriter:
    """Writes the photos of one split, in the order in which they come, and keeps at most some 16 MB of them in memory.

    Args:
        folder: Where ``<split>-00000.arrow`` and its successors go.
        split: Name of the split.
        max_bytes: A shard is closed once it has grown past this size.
        on_close: Is given the path of each shard that is finished.
    """

    def __init__(
        self, folder: Path, split: str, max_bytes: int, on_close: Callable[[Path], None] = lambda path: None
    ) -> None:
        self._folder, self._split, self._max_bytes, self._on_close = folder, split, max_bytes, on_close
        self._shards = 0
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._pending: list[tuple[str, bytes, bytes | None]] = []
        self._pending_bytes = self._shard_bytes = self._rows = 0

    def add(self, id: str, photo: bytes, segmentation: bytes | None = None) -> tuple[str, int]:
        """Appends a photo.

        Returns:
            The name of its shard and its row there.
        """
        if self._shard_bytes >= self._max_bytes:
            self.close()
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._folder / self._name, SHARD)
        self._pending.append((id, photo, segmentation))
        size = len(photo) + len(segmentation or b"")
        self._pending_bytes += size
        self._shard_bytes += size
        place = self._name, self._rows
        self._rows += 1
        if len(self._pending) == _BATCH_ROWS or self._pending_bytes >= _BATCH_BYTES:
            self._flush()
        return place

    def close(self) -> None:
        """Finishes the shard that is being written, if there is one."""
        if self._writer is not None:
            self._flush()
            self._writer.close()
            self._writer = None
            self._on_close(self._folder / self._name)
            self._shards += 1
            self._shard_bytes = self._rows = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _name(self) -> str:
        return f"{self._split}-{self._shards:05}.arrow"

    def _flush(self) -> None:
        assert self._writer is not None
        if self._pending:
            columns = zip(*self._pending, strict=True)
            self._writer.write_batch(
                pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, SHARD, strict=True)], schema=SHARD)
            )
        self._pending, self._pending_bytes = [], 0


class PhotoDataset:
    """The photos of one split, as the stage ``dataset`` stored them; random access without reading anything else.

    It may be pickled and may be used in forked processes: each process maps the shards anew.

    Args:
        folder: The stage's outputs, ``artifacts/dataset``.
        split: ``train``, ``val`` or ``test``; without one, the photos of all three.

    Attributes:
        manifest: A row for each photo, in the order of this data set; columns as in `MANIFEST`.

    Raises:
        ArtifactError: The stage has not run, or its files do not fit each other.
    """

    def __init__(self, folder: str | Path, split: str | None = None) -> None:
        self.folder, self.split = Path(folder), split
        path = self.folder / "manifest.parquet"
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise ArtifactError(f"{path} cannot be read; run the stage dataset first ({error})") from error
        if table.schema.names != MANIFEST.names:
            raise ArtifactError(f"{path} was written by another version; run the stage dataset again")
        self.manifest: pa.Table = table if split is None else table.filter(pc.field("split") == split)
        self._shard: list[str] = self.manifest["shard"].to_pylist()
        self._row: npt.NDArray[np.int64] = self.manifest["row"].to_numpy()

    def __len__(self) -> int:
        return int(self.manifest.num_rows)

    @property
    def ids(self) -> list[str]:
        """Each photo's id: the first 32 hex digits of the SHA-256 of the original file."""
        return self.manifest["id"].to_pylist()

    def encoded(self, index: int) -> bytes:
        """A photo's file, for `scenehue.data.decode.decode_rgb`: JPEG in train and val, the original in test."""
        return self._value("photo", index)  # type: ignore[return-value]

    def segmentation(self, index: int) -> bytes | None:
        """A photo's segmentation map as a PNG file, where there is one."""
        return self._value("segmentation", index)

    def _value(self, column: str, index: int) -> bytes | None:
        shard = self._open(self._shard[index])
        return shard[column][int(self._row[index])].as_py()

    @functools.cached_property
    def _open(self) -> Any:
        return functools.cache(self._map)

    def _map(self, name: str) -> pa.Table:
        path = self.folder / name
        try:
            return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        except (OSError, pa.ArrowException) as error:
            raise ArtifactError(f"{path} cannot be read; run the stage dataset again ({error})") from error

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_open"}
