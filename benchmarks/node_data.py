"""How should a training node get its data: all shards pulled to its disk first, or read from S3 while it trains?

    python benchmarks/node_data.py [--shards 6] [--megabytes 16]

A real S3 server (rclone) on loopback holds a data set's shards under a DVC remote. Compared, for photographs in the
random order in which a training asks for them:

- `dvc pull` once, then the shards mapped into memory;
- one request for the bytes of each photograph;
- whole shards fetched as they are asked for, of which a cache keeps a third;
- the same, with the order bent to the cache: the shards in random order, photographs shuffled within a third of them.

Loopback is kinder to the remote ways than any network: what they lose here they lose at least elsewhere.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from scenehue.data.shards import MANIFEST, PhotoDataset, ShardWriter

PHOTO = 61 << 10  # mean size of stored photographs with a short side of 256
KEY, SECRET, BUCKET = "benchmark-key", "benchmark-secret", "bench"
SECONDS = 4.0


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (folder / BUCKET).mkdir(parents=True)
    command = [str(Path(sys.executable).parent / "rclone"), "serve", "s3", "--addr", address]
    server = subprocess.Popen([*command, "--auth-key", f"{KEY},{SECRET}", str(folder)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        host, port = address.split(":")
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    break
            if time.monotonic() > deadline:
                raise SystemExit("rclone does not answer")
            time.sleep(0.05)
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait(10)


def make_dataset(folder: Path, shards: int, megabytes: int) -> None:
    rng, rows = np.random.default_rng(0), []
    folder.mkdir(parents=True)
    with ShardWriter(folder, "train", megabytes << 20) as writer:
        for index in range(shards * (megabytes << 20) // PHOTO):
            shard, row = writer.add(str(index), rng.bytes(PHOTO))
            rows.append(
                {**dict.fromkeys(MANIFEST.names), "id": str(index), "split": "train", "shard": shard, "row": row}
            )
    pq.write_table(pa.Table.from_pylist(rows, MANIFEST), folder / "manifest.parquet")


def run(root: Path, *arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "dvc", *arguments, "--quiet"], cwd=root, check=True)
    return time.perf_counter() - start


def rate(read: Callable[[int], Any], order: list[int]) -> tuple[float, int]:
    start = time.perf_counter()
    for count, index in enumerate(order, 1):  # noqa: B007
        read(index)
        if time.perf_counter() - start > SECONDS:
            break
    return count / (time.perf_counter() - start), count


class Cached:
    """Whole shards from the bucket, of which the last few are kept."""

    def __init__(self, client: Any, places: list[tuple[str, int]], keep: int) -> None:
        self.places, self.fetched = places, 0
        self._client = client
        self._shard = functools.lru_cache(keep)(self._fetch)

    def _fetch(self, name: str) -> pa.Table:
        self.fetched += 1
        body = self._client.get_object(Bucket=BUCKET, Key=f"shards/{name}")["Body"].read()
        return pa.ipc.open_file(pa.py_buffer(body)).read_all()

    def read(self, index: int) -> bytes:
        name, row = self.places[index]
        return self._shard(name)["photo"][row].as_py()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=6)
    parser.add_argument("--megabytes", type=int, default=16)
    arguments = parser.parse_args()
    os.environ |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "DVC_GLOBAL_CONFIG_DIR": tempfile.mkdtemp()}
    with tempfile.TemporaryDirectory() as scratch, s3_server(Path(scratch, "s3")) as endpoint:
        root = Path(scratch, "repository")
        make_dataset(root / "dataset", arguments.shards, arguments.megabytes)
        run(root, "init", "--no-scm")
        run(root, "remote", "add", "-d", "s3", f"s3://{BUCKET}/dvc")
        run(root, "remote", "modify", "s3", "endpointurl", endpoint)
        run(root, "config", "cache.type", "hardlink,symlink")
        run(root, "add", "dataset")
        pushed = run(root, "push")
        dataset = PhotoDataset(root / "dataset", "train")
        client = boto3.client("s3", endpoint_url=endpoint)
        for shard in sorted((root / "dataset").glob("*.arrow")):
            client.upload_file(str(shard), BUCKET, f"shards/{shard.name}")
        manifest = dataset.manifest.select(["shard", "row"]).to_pylist()
        places = [(row["shard"], row["row"]) for row in manifest]
        names = sorted({name for name, _ in places})
        subprocess.run(["rm", "-rf", ".dvc/cache", "dataset"], cwd=root, check=True)
        pulled = run(root, "pull")
        again = run(root, "pull")

        rng = random.Random(0)
        order = rng.sample(range(len(places)), len(places))
        keep = max(1, len(names) // 3)
        bent = []
        shuffled = rng.sample(names, len(names))
        for first in range(0, len(names), keep):
            window = set(shuffled[first : first + keep])
            some = [index for index, (name, _) in enumerate(places) if name in window]
            bent += rng.sample(some, len(some))

        def ranged(index: int) -> bytes:
            name, row = places[index]
            start = row * PHOTO  # near enough: what counts is a request for so many bytes at a place of its own
            part = {"Range": f"bytes={start}-{start + PHOTO - 1}"}
            return client.get_object(Bucket=BUCKET, Key=f"shards/{name}", **part)["Body"].read()

        ways: dict[str, tuple[Callable[[int], Any], list[int], Cached | None]] = {
            "pulled, mapped": (PhotoDataset(root / "dataset", "train").encoded, order, None),
            "a request each": (ranged, order, None),
            "cache of a third, any order": ((cached := Cached(client, places, keep)).read, order, cached),
            "cache of a third, order bent": ((bound := Cached(client, places, keep)).read, bent, bound),
        }
        size = len(places) * PHOTO / 1e6
        title = f"{len(places)} photographs, {len(names)} shards, {size:.0f} MB"
        table = Table("way", "photos/s", "of mapped", "bytes fetched an epoch, of the data", title=title)
        base = 0.0
        for name, (read, sequence, cache) in ways.items():
            speed, count = rate(read, sequence)
            base = base or speed
            fetched = 0.0 if name.startswith("pulled") else 1.0
            if cache is not None:
                fetched = cache.fetched / len(names) / (count / len(sequence))
            table.add_row(name, f"{speed:,.0f}", f"{speed / base:.3f}", f"{fetched:.1f}")
        Console().print(table)
        plain = time.perf_counter()
        for name in names:
            client.download_file(BUCKET, f"shards/{name}", str(Path(scratch, "plain.arrow")))
        plain = time.perf_counter() - plain
        print(f"dvc push {pushed:.1f} s, dvc pull {pulled:.1f} s, again {again:.1f} s; boto3 alone {plain:.1f} s")


if __name__ == "__main__":
    main()
