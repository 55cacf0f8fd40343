"""Memory of the command over a long run: a folder of many small files.

Run: python benchmarks/memory_curve.py [--files 10000] [--side 256]

One process colours all files through `Batch`; its resident memory is printed along the way, and as a bar chart. The
files are links to a few originals, and results are deleted as they come.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from colorize_model import model_folder, table
from PIL import Image

from scenehue.inference.batch import Batch
from scenehue.inference.convert import Settings
from scenehue.inference.items import find_photos
from scenehue.inference.loading import load_model
from scenehue.inference.sinks import FolderSink

SAMPLE = Path(__file__).parents[1] / "data/sample"


def resident_megabytes() -> float:
    """Memory of this process that lies in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--side", type=int, default=256)
    options = parser.parse_args()
    model, _ = load_model(model_folder(), threads=1)
    rows, curve = [], []
    with tempfile.TemporaryDirectory() as name:
        originals, many, out = (Path(name, part) for part in ("originals", "many", "out"))
        originals.mkdir()
        many.mkdir()
        for index, source in enumerate(sorted(SAMPLE.glob("*.jpg"))[:40]):
            image = Image.open(source).convert("RGB")
            image.thumbnail((options.side * (1 + index % 3) // 2, options.side))
            image.save(originals / f"{index}.jpg", quality=90)
        for index in range(options.files):
            (many / f"{index:06}.jpg").symlink_to(originals / f"{index % 40}.jpg")
        batch = Batch(model, FolderSink(out), Settings(), workers=os.cpu_count() or 1)
        step = max(1, options.files // 20)
        for done, result in enumerate(batch.run(find_photos([str(many)])), start=1):
            assert result.status == "done", result.reason
            Path(result.target).unlink()
            if done % step == 0:
                curve.append((done, resident_megabytes()))
    highest = max(megabytes for _, megabytes in curve)
    for done, megabytes in curve:
        rows.append((f"{done}", f"{megabytes:.0f} MB", "#" * round(40 * megabytes / highest)))
    table(rows, ("files", "resident", ""))
    first, last = curve[len(curve) // 10][1], curve[-1][1]
    print(f"from {curve[len(curve) // 10][0]} to {curve[-1][0]} files: {last - first:+.0f} MB ({last / first:.2f}x)")


if __name__ == "__main__":
    main()
