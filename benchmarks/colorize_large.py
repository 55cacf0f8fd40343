"""Time and memory of large photographs.

Run: python benchmarks/colorize_large.py [--megapixels 24] [--tiff-megapixels 100]

A JPEG made from a real photograph is coloured to a JPEG, against just decoding and encoding it; then a TIFF with 8 bits
a channel and one with 16, for their peak memory. Each runs in a process of its own. On a machine that is busy with
other things, two threads get less than two cores, and the ratio of processor times says more.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from colorize_model import model_folder, table
from PIL import Image

PHOTO = Path(__file__).parents[1] / "data/sample/taj-mahal.jpg"

DECODE_AND_ENCODE = """
import sys, time
from PIL import Image
Image.MAX_IMAGE_PIXELS = None
source, target = sys.argv[1:3]
times = []
for _ in range(3):
    start, processor = time.perf_counter(), time.process_time()
    image = Image.open(source)
    image.load()
    image.save(target, quality=95, subsampling=0)
    times.append((time.perf_counter() - start, time.process_time() - processor))
print(*min(times))
"""
COLORIZE = """
import sys, time
from scenehue.inference.colorizer import Colorizer
source, target, model, repeats = sys.argv[1:5]
colorizer = Colorizer.load(model)
times = []
for _ in range(int(repeats)):
    start, processor = time.perf_counter(), time.process_time()
    colorizer.convert(source, target, overwrite=True)
    times.append((time.perf_counter() - start, time.process_time() - processor))
peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))
print(*min(times), int(peak.split()[1]) / 1e6)
"""


def make_photo(megapixels: float) -> np.ndarray:
    """A real photograph enlarged, with grain so that it is as hard to encode as one of its size."""
    image = Image.open(PHOTO).convert("RGB")
    scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    large = np.asarray(
        image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    )
    grain = np.random.default_rng(0).integers(-6, 7, large.shape[:2], dtype=np.int16)[..., None]
    return np.clip(large + grain, 0, 255).astype(np.uint8)


def run(program: str, *arguments: object) -> list[float]:
    """Numbers that a program prints."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return [float(word) for word in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--tiff-megapixels", type=float, default=100)
    options = parser.parse_args()
    import tifffile

    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder, model = Path(name), model_folder()
        Image.fromarray(make_photo(options.megapixels)).save(folder / "photo.jpg", quality=92)
        plain, plain_cpu = run(DECODE_AND_ENCODE, folder / "photo.jpg", folder / "plain.jpg")
        seconds, cpu, peak = run(COLORIZE, folder / "photo.jpg", folder / "color.jpg", model, 3)
        rows.append((f"{options.megapixels:g} MP JPEG, decode and encode", f"{plain:.2f} s", ""))
        ratio = f"{seconds / plain:.2f}x (at most 4 wanted)"
        rows.append((f"{options.megapixels:g} MP JPEG, colorize", f"{seconds:.2f} s", ratio))
        rows.append(("processor time of both", f"{plain_cpu:.2f} and {cpu:.2f} s", f"{cpu / plain_cpu:.2f}x"))
        rows.append(("peak memory", f"{peak:.2f} GB", "under 1 wanted"))
        if options.tiff_megapixels:
            for bits in (8, 16):
                pixels = make_photo(options.tiff_megapixels)
                tifffile.imwrite(
                    folder / "photo.tif", pixels if bits == 8 else pixels.astype(np.uint16) * 257, photometric="rgb"
                )
                del pixels
                seconds, _, peak = run(COLORIZE, folder / "photo.tif", folder / "color.tif", model, 1)
                rows.append((f"{options.tiff_megapixels:g} MP TIFF, {bits} bits, colorize", f"{seconds:.1f} s", ""))
                rows.append(("peak memory", f"{peak:.2f} GB", "under 3 wanted"))
    table(rows)


if __name__ == "__main__":
    main()
