"""How long two models take for one photograph, measured fairly: in turn, on one machine, in one process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scenehue.inference.onnx_backend import OnnxModel
from scenehue.inference.predict import predict

HEIGHT, WIDTH = 480, 640
ROUNDS = 9


def seconds_per_photo(models: Sequence[Path], rounds: int = ROUNDS) -> list[float]:
    """Times `predict` on one photograph, each model at its own working size, on one core.

    The models take turns, so that whatever else the machine does meets all of them; the quickest turn of each counts,
    since other load can only make one slower.

    Args:
        models: Folders with ``model.onnx``.
        rounds: Turns of each, after one that is not counted.

    Returns:
        Seconds, in the order of the models.
    """
    photo = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    loaded = [OnnxModel(folder / "model.onnx", threads=1) for folder in models]
    best = [float("inf")] * len(loaded)
    for turn in range(rounds + 1):
        for index, model in enumerate(loaded):
            start = time.perf_counter()
            predict(model, photo)
            if turn:
                best[index] = min(best[index], time.perf_counter() - start)
    return best
