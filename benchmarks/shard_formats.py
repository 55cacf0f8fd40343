"""Which format gives photos at random fastest: Arrow IPC, Parquet, an indexed tar (WebDataset's), LitData, loose files?

    python benchmarks/shard_formats.py [folder of a dataset stage] [--photos 5000]

Without a folder, the photographs of data/sample take turns. Files lie in the page cache; one process reads whole
photos, as bytes of its own, in one random order. Ratios are medians over turns in which each format has its go. LitData
takes part where it is installed; it is no dependency of this project, and is made for streaming chunks in a shuffled
order rather than for single photos at random.

The stage ``dataset`` writes Arrow IPC because of what this printed (2,000 photos of 61 KiB, 2 busy cores): a tar with
an index reached 0.70 of its photos per second, loose files 0.38, Parquet 0.05, LitData 0.03. A tar would also need an
index of our own.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from scenehue.data.shards import MANIFEST, PhotoDataset, ShardWriter

Read = Callable[[int], bytes]


def arrow(photos: list[bytes], folder: Path) -> Read:
    rows = []
    with ShardWriter(folder, "train", 256 << 20) as writer:
        for index, photo in enumerate(photos):
            shard, row = writer.add(str(index), photo)
            empty = dict.fromkeys(MANIFEST.names)
            rows.append({**empty, "id": str(index), "split": "train", "shard": shard, "row": row})
    pq.write_table(pa.Table.from_pylist(rows, MANIFEST), folder / "manifest.parquet")
    return PhotoDataset(folder, "train").encoded


def parquet(photos: list[bytes], folder: Path, group: int = 16) -> Read:
    table = pa.table({"photo": pa.array(photos, pa.large_binary())})
    pq.write_table(table, folder / "photos.parquet", row_group_size=group, compression="none", use_dictionary=False)
    file = pq.ParquetFile(folder / "photos.parquet", memory_map=True)
    return lambda index: file.read_row_group(index // group, use_threads=False)["photo"][index % group].as_py()


def tar(photos: list[bytes], folder: Path) -> Read:
    path = folder / "photos.tar"
    with tarfile.open(path, "w") as archive:
        for index, photo in enumerate(photos):
            member = tarfile.TarInfo(f"{index:08}.jpg")
            member.size = len(photo)
            archive.addfile(member, BytesIO(photo))
    with tarfile.open(path) as archive:
        places = [(member.size, member.offset_data) for member in archive]
    file = os.open(path, os.O_RDONLY)
    return lambda index: os.pread(file, *places[index])


def loose(photos: list[bytes], folder: Path) -> Read:
    for index, photo in enumerate(photos):
        (folder / f"{index:08}.jpg").write_bytes(photo)
    return lambda index: (folder / f"{index:08}.jpg").read_bytes()


def lit(photos: list[bytes], folder: Path) -> Read:
    from litdata import StreamingDataset
    from litdata.streaming import Cache

    cache = Cache(str(folder), chunk_bytes="64MB")
    for index, photo in enumerate(photos):
        cache[index] = photo
    cache.done()
    cache.merge()
    dataset = StreamingDataset(str(folder))
    return lambda index: bytes(dataset[index])


def measure(read: Read, order: list[int]) -> float:
    start = time.perf_counter()
    for index in order:
        read(index)
    return len(order) / (time.perf_counter() - start)


def load(folder: str | None, count: int) -> list[bytes]:
    if folder is None:
        files = [path.read_bytes() for path in sorted(Path("data/sample").glob("*.jpg"))]
        return [files[index % len(files)] for index in range(count)]
    dataset = PhotoDataset(folder, "train")
    return [dataset.encoded(index) for index in range(min(count, len(dataset)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--photos", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    photos = load(arguments.folder, arguments.photos)
    formats = {"Arrow IPC": arrow, "Parquet, groups of 16": parquet, "tar with an index": tar, "loose files": loose}
    if find_spec("litdata"):
        formats["LitData"] = lit
    order = random.Random(0).sample(range(len(photos)), len(photos))
    with tempfile.TemporaryDirectory() as scratch:
        readers = {}
        for name, write in formats.items():
            folder = Path(scratch, name)
            folder.mkdir()
            readers[name] = write(photos, folder)
            assert all(readers[name](index) == photos[index] for index in order[:100]), name
        rates: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(arguments.repeats):
            for name, read in readers.items():
                rates[name].append(measure(read, order))
    mean_size = sum(map(len, photos)) / len(photos) / 1024
    table = Table("", "photos/s", "times Arrow's", title=f"{len(photos)} photos of {mean_size:.0f} KiB at random")
    for name, runs in rates.items():
        ratio = statistics.median(run / base for run, base in zip(runs, rates["Arrow IPC"], strict=True))
        table.add_row(name, f"{statistics.median(runs):,.0f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
