"""Throughput of colorizing, against the network alone and against the paper's U-Net.

Run: python benchmarks/colorize_speed.py [--photos 48]

Rows: 256x256 JPEGs through the whole command (decode, network, encode); the released architecture against the paper's
U-Net at 256x256, both by onnxruntime; a folder of 640x480 JPEGs against the network alone at the same working size; and
the time from the start of Python to the first picture.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from colorize_model import model_folder, random_model, table
from PIL import Image

from scenehue.inference.batch import Batch
from scenehue.inference.convert import Settings
from scenehue.inference.items import find_photos
from scenehue.inference.loading import load_model
from scenehue.inference.model import REG, ChromaModel
from scenehue.inference.predict import working_shapes
from scenehue.inference.sinks import FolderSink

SAMPLE = Path(__file__).parents[1] / "data/sample"
CORES = os.cpu_count() or 1


def best(task: Callable[[], object], repeats: int = 3) -> float:
    """Seconds of the fastest of several runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return min(times)


def make_folder(folder: Path, width: int, height: int, count: int) -> None:
    """Writes sample photographs, cut to one size."""
    sources = sorted(SAMPLE.glob("*.jpg"))
    for index in range(count):
        image = Image.open(sources[index % len(sources)]).convert("RGB")
        scale = max(width / image.width, height / image.height)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
        image.crop((0, 0, width, height)).save(folder / f"{index:05}.jpg", quality=90)


def whole(model: ChromaModel, folder: Path, size: int | None = None) -> float:
    """Seconds to colour a folder, at the model's working size or another."""
    items = find_photos([str(folder)])
    settings = Settings(size=size)

    def run() -> None:
        with tempfile.TemporaryDirectory() as out:
            results = list(Batch(model, FolderSink(Path(out)), settings, workers=CORES).run(items))
        assert all(result.status == "done" for result in results)

    return best(run)


def files_alone(folder: Path) -> float:
    """Seconds to decode and encode a folder's photographs, on all cores."""

    def again(path: Path) -> None:
        Image.open(path).convert("RGB").save(io.BytesIO(), "JPEG", quality=95, subsampling=0)

    def run() -> None:
        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(again, folder.iterdir()))

    return best(run)


def network_alone(model: ChromaModel, height: int, width: int, count: int, size: int | None = None) -> float:
    """Seconds for as many predictions as there are photos, on all cores."""
    random = np.random.default_rng(0)
    shapes = working_shapes(height, width, model, size)
    views = [random.uniform(0, 100, (1, *shape)).astype(np.float32) for shape in shapes]

    def run() -> None:
        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(lambda _: [model.chroma(view, REG) for view in views], range(count)))

    return best(run)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=48)
    count = parser.parse_args().photos
    folder = model_folder()
    model, _ = load_model(folder, threads=1)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        small, medium, paper = (Path(name, part) for part in ("256", "640", "paper"))
        for path in (small, medium, paper):
            path.mkdir()
        make_folder(small, 256, 256, count)
        make_folder(medium, 640, 480, count)
        seconds = whole(model, small)
        rows.append(("256x256 JPEGs, whole command", f"{count / seconds:.1f} photos/s", "at least 15 wanted"))
        unet, _ = load_model(random_model(paper, encoder="unet", width=64), threads=1)
        ours, theirs = (network_alone(each, 256, 256, CORES * 2) / (CORES * 2) for each in (model, unet))
        rows.append(("this network, 256x256", f"{ours * 1e3:.1f} ms", ""))
        ratio = f"{theirs / ours:.1f}x (at least 5 wanted)"
        rows.append(("the paper's U-Net, 256x256", f"{theirs * 1e3:.1f} ms", ratio))
        for size in dict.fromkeys((model.size, 256)):
            alone, seconds = network_alone(model, 480, 640, count, size), whole(model, medium, size)
            what = f"640x480 JPEGs, working size {size}"
            rows.append((f"{what}, network alone", f"{count / alone:.1f} photos/s", ""))
            ratio = f"{alone / seconds:.2f} (at least 0.75 wanted)"
            rows.append((f"{what}, whole command", f"{count / seconds:.1f} photos/s", ratio))
        rows.append(("640x480 JPEGs, decode and encode alone", f"{count / files_alone(medium):.1f} photos/s", ""))
        verb = "import typer; from scenehue.inference.command import colorize; typer.run(colorize)"
        photo, result = str(next(small.iterdir())), str(Path(name, "x.jpg"))
        command = [sys.executable, "-c", verb, photo, "-o", result, "-m", str(folder), "--overwrite"]
        start = best(lambda: subprocess.run(command, check=True))
        rows.append(("start of Python to first picture", f"{start:.2f} s", "at most 1.5 wanted"))
    table(rows)


if __name__ == "__main__":
    main()
