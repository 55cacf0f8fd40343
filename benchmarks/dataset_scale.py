"""How time, memory and disk of the stage ``dataset`` grow with the number of photographs, and what adding some costs.

    python benchmarks/dataset_scale.py [2000 20000] [--workers 0] [--folder /tmp/scale]

Makes photographs of 640x480 pixels, each another mosaic of pieces of the sample's, so that none is like another; a
folder that already holds them is used again. Every size is built in a process of its own: from nothing, again with
nothing changed, and again with 1 % more. Beside the time on the clock stands processor time, which other programs
disturb less.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from scenehue.data.blobs import BlobCache
from scenehue.data.files import replacing_folder
from scenehue.data.ingest import build_dataset
from scenehue.data.listing import read_listing, write_listing
from scenehue.data.sources import open_sources
from scenehue.params import DatasetParams, Source

SAMPLE = Path(__file__).parents[1] / "data/sample"
TILE = 160
FOLDER_PHOTOS = 1000
COCO = 118_287


def tiles() -> np.ndarray:
    """(N, 160, 160, 3) uint8: pieces of the sample's photographs."""
    pieces = []
    for path in sorted(SAMPLE.glob("*.jpg")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        height, width = (side // TILE * TILE for side in pixels.shape[:2])
        rows = pixels[:height, :width].reshape(height // TILE, TILE, width // TILE, TILE, 3)
        pieces.append(rows.swapaxes(1, 2).reshape(-1, TILE, TILE, 3)[:6])
    return np.concatenate(pieces)


def make_photos(folder: Path, count: int) -> None:
    """Fills up a folder; photograph number n is always the same one."""
    pieces = tiles()
    for number in range(count):
        path = folder / f"{number // FOLDER_PHOTOS:05}" / f"{number:08}.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            chosen = pieces[np.random.default_rng(number).integers(0, len(pieces), 12)]
            mosaic = chosen.reshape(3, 4, TILE, TILE, 3).swapaxes(1, 2).reshape(3 * TILE, 4 * TILE, 3)
            Image.fromarray(mosaic).save(path, quality=90)


def params_of(folder: Path) -> DatasetParams:
    return DatasetParams(sources=(Source(kind="folder", path=str(folder), split="train"),))


def build(folder: Path, work: Path, count: int, workers: int) -> dict[str, float]:
    """Builds a data set of the first photographs, as the stage does; the listing is made before the clock starts."""
    params = params_of(folder)
    sources = open_sources(params.sources, Path())
    entries = [entry for entry in read_listing(work / "listing.csv") if int(Path(entry.path).stem) < count]
    start = time.perf_counter()
    with replacing_folder(work / "dataset") as out:
        summary = build_dataset(entries, sources, params, out, workers, work / "memory")
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    usage = [resource.getrusage(each) for each in who]
    return {
        "clock": time.perf_counter() - start,
        "processor": sum(each.ru_utime + each.ru_stime for each in usage),
        "megabytes": usage[0].ru_maxrss / 1024,
        "photos": summary.photos["train"],
        "disk": sum(path.stat().st_size for path in (work / "dataset").iterdir()),
    }


def in_own_process(folder: Path, work: Path, count: int, workers: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--build", str(count), "--workers", str(workers), "--folder", str(folder)]
    lines = subprocess.run([*command, "--work", str(work)], check=True, capture_output=True, text=True).stdout
    return json.loads(lines.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=[2000, 20000])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "scenehue-scale")
    parser.add_argument("--build", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.build:
        print(json.dumps(build(arguments.folder, arguments.work, arguments.build, arguments.workers)))
        return
    most = max(arguments.counts)
    make_photos(arguments.folder, most + most // 100)
    table = Table("photos", "run", "clock s", "CPU s", "ms each", "ratio", "peak MB", "disk MB")
    rates = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder.parent) as name:
        work = Path(name)
        (source,) = open_sources(params_of(arguments.folder).sources, Path())
        write_listing(work / "listing.csv", source.entries(BlobCache(None)))
        for count in arguments.counts:
            shutil.rmtree(work / "memory", ignore_errors=True)
            first = None
            for run, photos in (("first", count), ("again", count), ("1 % more", count + count // 100)):
                found = in_own_process(arguments.folder, work, photos, arguments.workers)
                first = first or found
                rates[count] = first
                table.add_row(
                    str(photos),
                    run,
                    f"{found['clock']:.1f}",
                    f"{found['processor']:.1f}",
                    f"{found['processor'] / photos * 1e3:.2f}",
                    f"{found['processor'] / first['processor']:.3f}",
                    f"{found['megabytes']:.0f}",
                    f"{found['disk'] / 1e6:.0f}",
                )
    console = Console()
    console.print(table)
    if len(rates) > 1:
        (few, small), (many, big) = min(rates.items()), max(rates.items())
        growth = big["processor"] / many / (small["processor"] / few)
        each = (big["megabytes"] - small["megabytes"]) / (many - few) * 1e3
        console.print(
            f"From {few} to {many} photographs: {growth:.3f} times the time, {each:.2f} kB more memory for each.\n"
            f"COCO's {COCO} by these rates: {big['processor'] / many * COCO / 60:.0f} min of one processor, "
            f"{big['disk'] / many * COCO / 1e9:.1f} GB on disk, {big['megabytes'] + each * (COCO - many) / 1e3:.0f} MB."
        )


if __name__ == "__main__":
    main()
