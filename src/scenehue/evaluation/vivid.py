"""Chooses the ``vivid`` decoder of a model: as colourful as real photographs, and of those settings the truest one."""

from __future__ import annotations

import numpy as np
from rich.progress import track

from scenehue.data.decode import decode_rgb
from scenehue.evaluation.colorfulness import colorfulness
from scenehue.evaluation.evaluate import Photos
from scenehue.evaluation.metrics import psnr
from scenehue.inference.model import ChromaModel, Decoder
from scenehue.inference.predict import predict

TEMPERATURES = (1.0, 0.6, 0.38, 0.2)
MAX_SATURATION = 4.0
MAX_PHOTOS = 64
ROUNDS = 3


def tune_vivid(model: ChromaModel, photos: Photos) -> Decoder | None:
    """For each temperature finds the saturation at which the mean colourfulness is the truth's; keeps the best by PSNR.

    Args:
        model: The network.
        photos: Validation photographs in colour; at most 64 of them, evenly spread, are looked at, at the working size.

    Returns:
        The decoder; None where there are no photographs.
    """
    chosen = np.unique(np.linspace(0, len(photos) - 1, min(MAX_PHOTOS, len(photos))).round().astype(int))
    if not chosen.size:
        return None
    truths = [decode_rgb(photos.encoded(int(index)), short_side=model.size) for index in chosen]
    target = np.mean([colorfulness(truth) for truth in truths])
    candidates: list[tuple[float, Decoder]] = []
    for temperature in track(TEMPERATURES, "Tuning the vivid decoder"):
        decoder = Decoder("vivid", temperature)
        for _ in range(ROUNDS):
            reached = np.mean([colorfulness(predict(model, truth, decoder=decoder)) for truth in truths])
            saturation = min(MAX_SATURATION, decoder.saturation * float(target / max(reached, 1e-3)))
            decoder = Decoder("vivid", temperature, round(saturation, 3))
        quality = np.mean([psnr(truth, predict(model, truth, decoder=decoder)) for truth in truths])
        candidates.append((float(quality), decoder))
    return max(candidates, key=lambda candidate: candidate[0])[1]
