"""How much longer the stage ``dataset`` takes than just decoding and scaling the same files with the fastest decoder.

    python benchmarks/dataset_stage.py [folder] [--repeats 5]

Both run in one process and one thread, in turns, on files that lie in the page cache. Processor time is counted, so
that other programs disturb little, and medians are printed. The fastest decoder is OpenCV (scaled JPEG decoding) or
Pillow (draft), whichever it turns out to be.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from scenehue.data.blobs import BlobCache
from scenehue.data.decode import scaled_size
from scenehue.data.ingest import build_dataset
from scenehue.data.listing import Entry
from scenehue.data.sources import PhotoSource, open_sources
from scenehue.params import DatasetParams, Source


def scale(pixels: np.ndarray, short_side: int) -> np.ndarray:
    size = scaled_size(pixels.shape[1], pixels.shape[0], short_side)
    return pixels if size == pixels.shape[1::-1] else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def with_opencv(data: bytes, short_side: int) -> np.ndarray:
    flag = cv2.IMREAD_COLOR_RGB
    if data.startswith(b"\xff\xd8"):
        times = min(Image.open(io.BytesIO(data)).size) // short_side
        reduced = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
        flag = next((flag for factor, flag in reduced.items() if times >= factor), flag)
    return scale(cv2.imdecode(np.frombuffer(data, np.uint8), flag), short_side)


def with_pillow(data: bytes, short_side: int) -> np.ndarray:
    photo = Image.open(io.BytesIO(data))
    photo.draft("RGB", scaled_size(*photo.size, short_side))
    return scale(np.asarray(photo.convert("RGB")), short_side)


def seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def decode_all(
    decode: Callable[[bytes, int], object], entries: list[Entry], source: PhotoSource, short_side: int
) -> None:
    for entry in entries:
        decode(source.read(entry), short_side)


def stage(entries: list[Entry], source: PhotoSource, params: DatasetParams) -> None:
    with tempfile.TemporaryDirectory() as folder:
        build_dataset(entries, [source], params, Path(folder), workers=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="data/sample")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--short-side", type=int, default=256)
    parser.add_argument("--limit", type=int, default=1000, help="most photos to use")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    params = DatasetParams(sources=(Source(kind="folder", path=arguments.folder),), short_side=arguments.short_side)
    (source,) = open_sources(params.sources, Path())
    entries = list(source.entries(BlobCache(None)))[: arguments.limit]
    decoders = {"OpenCV": with_opencv, "Pillow": with_pillow}
    times: dict[str, list[float]] = {name: [] for name in (*decoders, "stage dataset")}
    for _ in range(arguments.repeats):
        for name, decode in decoders.items():
            times[name].append(seconds(lambda d=decode: decode_all(d, entries, source, params.short_side)))
        times["stage dataset"].append(seconds(lambda: stage(entries, source, params)))
    fastest = min(decoders, key=lambda name: statistics.median(times[name]))
    table = Table(
        "", "ms a photo", "ratio", title=f"{len(entries)} photos of {arguments.folder}, short side {params.short_side}"
    )
    for name, runs in times.items():
        ratio = statistics.median(run / base for run, base in zip(runs, times[fastest], strict=True))
        table.add_row(name, f"{statistics.median(runs) / len(entries) * 1e3:.2f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
