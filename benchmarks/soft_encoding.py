"""Soft encoding of 224x224 pixels against scikit-learn's nearest neighbours with a dense scatter, and brute force.

python benchmarks/soft_encoding.py [PHOTO]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.neighbors import NearestNeighbors

from scenehue.color.bins import ab_bins
from scenehue.color.encoding import soft_encode
from scenehue.color.lab import rgb_to_lab
from scenehue.data.decode import decode_rgb

SIZE = 224
ROUNDS = 7
PHOTO = Path(__file__).parents[1] / "data/sample/taj-mahal.jpg"
BINS = torch.from_numpy(ab_bins().copy())


def best_of(function: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Shortest of several runs, in seconds: the one that was disturbed least."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def scikit_learn(ab_PX: np.ndarray) -> np.ndarray:
    """(P, 2) to the target that a dense loss takes, (313, H, W)."""
    distance, index = NearestNeighbors(n_neighbors=5).fit(BINS.numpy()).kneighbors(ab_PX)
    weight = np.exp(-(distance**2) / 50)
    dense = np.zeros((len(ab_PX), len(BINS)))
    dense[np.arange(len(ab_PX))[:, None], index] = weight / weight.sum(1, keepdims=True)
    return np.ascontiguousarray(dense.T.reshape(len(BINS), SIZE, SIZE), np.float32)


def brute_force(ab: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    squared = (ab.movedim(1, -1)[..., None, :] - BINS).square().sum(-1)
    nearest = torch.sort(squared, dim=-1, stable=True)
    weight = torch.softmax(nearest.values[..., :5] / -50, -1)
    return nearest.indices[..., :5].movedim(-1, 1), weight.movedim(-1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", nargs="?", type=Path, default=PHOTO)
    rgb = decode_rgb(parser.parse_args().photo.read_bytes(), short_side=SIZE)[:SIZE, :SIZE]
    ab = torch.from_numpy(rgb_to_lab(rgb)[..., 1:].transpose(2, 0, 1).copy())[None]
    rows = {
        "scikit-learn and a dense scatter": best_of(lambda: scikit_learn(ab[0].flatten(1).T.numpy()), 3),
        "brute force over 313 bins": best_of(lambda: brute_force(ab), 3),
        "soft_encode": best_of(lambda: soft_encode(ab)),
    }
    table = Table("soft encoding of 224x224", "ms", "times soft_encode's")
    for name, seconds in rows.items():
        table.add_row(name, f"{seconds * 1e3:.1f}", f"{seconds / rows['soft_encode']:.1f}")
    console = Console()
    console.print(table)
    both = torch.cat([ab, ab.round()])
    (index, weight), (true_index, true_weight) = soft_encode(both), brute_force(both)
    dense, true_dense = (
        torch.zeros(2, len(BINS), SIZE, SIZE).scatter_(1, *encoded)
        for encoded in ((index, weight), (true_index, true_weight))
    )
    error, wrong = float((dense - true_dense).abs().max()), int((index[:, 0] != true_index[:, 0]).sum())
    console.print(
        f"Against brute force, ab as it is and rounded: largest weight error {error:.1e}, {wrong} nearest bins differ."
    )


if __name__ == "__main__":
    main()
