"""Data sets built from photos given as bytes."""

import csv
from pathlib import Path

import pyarrow.parquet as pq

from scenehue.data.blobs import BlobCache
from scenehue.data.ingest import build_dataset
from scenehue.data.sources import open_sources
from scenehue.params import DatasetParams, Source


class Workshop:
    """Builds data sets from photos given as bytes.

    Args:
        root: An empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.built = 0

    def put(self, **folders: dict[str, bytes]) -> None:
        for folder, photos in folders.items():
            for name, data in photos.items():
                path = self.root / folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)

    def build(self, *sources: Source, workers: int = 0, memory: Path | None = None, **options) -> Path:
        params = DatasetParams(sources=sources, **{"short_side": 96} | options)
        opened = open_sources(sources, self.root)
        entries = [entry for source in opened for entry in source.entries(BlobCache(None))]
        self.built += 1
        folder = self.root / f"out{self.built}"
        folder.mkdir()
        self.summary = build_dataset(entries, opened, params, folder, workers, memory)
        return folder


def source(path: str, split: str | None = "train", **options) -> Source:
    return Source(kind="folder", path=path, split=split, **options)


def manifest(folder: Path) -> dict[str, dict]:
    rows = {row["path"]: row for row in pq.read_table(folder / "manifest.parquet").to_pylist()}
    return dict(sorted(rows.items()))


def rejects(folder: Path) -> dict[str, str]:
    with (folder / "rejects.csv").open(newline="") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}
