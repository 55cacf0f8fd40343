"""Error of chroma brought to full size along the edges of lightness, against bilinear interpolation.

Run: python benchmarks/chroma_upsampling.py [FOLDER...]

The true chroma of real photographs is shrunk to a network's map (a quarter of the working size) and brought back.
Errors are mean distances in the ab plane, over all pixels and near the strongest 5 % of chroma edges. A second round
blurs the map first, as a network's uncertainty does.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from colorize_model import table
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter, sobel

from scenehue.color.lab import rgb_to_lab
from scenehue.inference.predict import working_shape
from scenehue.inference.upsample import resize, upsample_bilinear, upsample_edge_aware

SAMPLE = Path(__file__).parents[1] / "data/sample"


def errors(photo: Path, size: int, blur: float) -> np.ndarray:
    """(2, 2): edge-aware and bilinear; everywhere and near edges."""
    lab = rgb_to_lab(np.asarray(Image.open(photo).convert("RGB")))
    guide, truth = lab[..., 0], lab[..., 1:]
    height, width = working_shape(*guide.shape, size, 32)
    ab = np.stack([resize(plane, height // 4, width // 4) for plane in np.moveaxis(truth, -1, 0)])
    if blur:
        ab = np.stack([gaussian_filter(plane, blur, mode="nearest") for plane in ab])
    slope = np.hypot(sobel(truth, 0), sobel(truth, 1)).max(axis=-1)
    near_edges = maximum_filter(slope, 5) > np.quantile(slope, 0.95)
    results = upsample_edge_aware(ab, resize(guide, height, width), guide), upsample_bilinear(ab, *guide.shape)
    distances = [np.linalg.norm(result - truth, axis=-1) for result in results]
    return np.array([[distance.mean(), distance[near_edges].mean()] for distance in distances])


def main() -> None:
    """Measures and prints."""
    folders = [Path(name) for name in sys.argv[1:]] or [SAMPLE]
    rows = []
    for folder in folders:
        photos = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))
        for size, blur in ((256, 0.0), (96, 0.0), (256, 1.0)):
            edge_aware, bilinear = np.mean([errors(photo, size, blur) for photo in photos], axis=0)
            name = f"{folder.name} ({len(photos)}), size {size}" + (", blurred" if blur else "")
            for where, one, other in zip(("everywhere", "near edges"), edge_aware, bilinear, strict=True):
                rows.append((f"{name}, {where}", f"{one:.2f} against {other:.2f}", f"{one / other:.2f}"))
    table(rows, ("photographs", "ab error, edge-aware and bilinear", "ratio"))


if __name__ == "__main__":
    main()
