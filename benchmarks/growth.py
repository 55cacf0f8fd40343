"""Which parts of the pipeline give way first when photographs become many: time and memory for each part by itself.

    python benchmarks/growth.py [--photos 50000 100000 200000]

Everything that holds something for each photograph is filled with made-up photographs, each part in a process of its
own. Memory is what the process grew by at its largest. The hashes among which near duplicates are sought are random,
which is the best case: real photographs crowd.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def near_duplicates(count: int, bits: int = 4) -> Callable[[], object]:
    from scenehue.data.duplicates import NearDuplicates

    rng = random.Random(0)

    def work() -> object:
        seen = NearDuplicates(bits)
        for _ in range(count):
            hash = rng.getrandbits(64)
            if seen.find(hash) is None:
                seen.add(hash)
        return seen

    return work


def listing(count: int) -> Callable[[], object]:
    from scenehue.data.listing import Entry, read_listing, write_listing

    path = Path(tempfile.mkdtemp(), "listing.csv")
    write_listing(
        path,
        (Entry(0, "folder", f"2019/{n:09}.jpg", "", 0, 60_000, digest(n)) for n in range(count)),
    )
    return lambda: read_listing(path)


def manifest(count: int) -> Callable[[], object]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from scenehue.data.shards import MANIFEST, PhotoDataset

    folder = Path(tempfile.mkdtemp())
    with pq.ParquetWriter(folder / "manifest.parquet", MANIFEST) as writer:
        for start in range(0, count, 10_000):
            numbers = range(start, min(start + 10_000, count))
            fixed = {"split": "train", "source": 0, "width": 256, "height": 256, "mean_chroma": 20.0, "scene": None}
            sizes = {"original_width": 640, "original_height": 480, "has_segmentation": False}
            names = [{"id": digest(n)[:32], "path": f"2019/{n:09}.jpg"} for n in numbers]
            places = [{"shard": f"train-{n // 4200:05}.arrow", "row": n % 4200} for n in numbers]
            rows = [name | place | fixed | sizes for name, place in zip(names, places, strict=True)]
            writer.write_table(pa.Table.from_pylist(rows, MANIFEST))
    return lambda: PhotoDataset(folder, "train")


def bulk_listing(count: int) -> Callable[[], object]:
    from pathlib import PurePosixPath
    from unittest import mock

    from scenehue.inference import bulk_job
    from scenehue.inference.convert import Settings
    from scenehue.inference.items import Item

    names = (f"2019/{n:09}.jpg" for n in range(count))
    photos = (Item(f"s3://archive/{name}", PurePosixPath(name), version=digest(0)[:31] + name[0]) for name in names)
    job = bulk_job.Job(Path(tempfile.mkdtemp()), "s3://archive", Settings(), 64, {})

    def work() -> object:
        with mock.patch.object(bulk_job, "photos_in", return_value=photos):
            return job.list_new()

    return work


PARTS = {
    "search for near duplicates (dataset)": near_duplicates,
    "listing in memory (dataset)": listing,
    "manifest in memory (every stage, every loader)": manifest,
    "listing of a bulk job (colorize)": bulk_listing,
}


def measure(name: str, count: int) -> dict[str, float]:
    work = PARTS[name](count)
    gc.collect()
    memory, start = resident(), time.process_time()
    kept = work()
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    del kept
    return {"seconds": seconds, "bytes": peak - memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, nargs="+", default=[50_000, 100_000, 200_000])
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(measure(arguments.part, arguments.photos[0])))
        return
    for name in PARTS:
        table, first = Table("photographs", "us each", "times the first", "bytes each", title=name), 0.0
        for count in arguments.photos:
            command = [sys.executable, __file__, "--part", name, "--photos", str(count)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            each = found["seconds"] / count * 1e6
            first = first or each
            table.add_row(f"{count:,}", f"{each:.1f}", f"{each / first:.2f}", f"{found['bytes'] / count:.0f}")
        Console().print(table)


if __name__ == "__main__":
    main()
