"""Chooses the ``vivid`` decoder of a model: as colourful as real photographs, and of those settings the truest one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from scenehue.color.decoding import decode
from scenehue.data.loading import Batch
from scenehue.evaluation.colorfulness import colorfulness
from scenehue.models.network import ColorNet
from scenehue.training.pictures import UInt8, pictures, psnr

TEMPERATURES = (1.0, 0.6, 0.38, 0.2)
MAX_SATURATION = 4.0
MAX_PHOTOS = 200
ROUNDS = 4


@torch.inference_mode()
def tune_vivid(net: ColorNet, bins: Tensor, batches: Iterable[Batch]) -> dict[str, float] | None:
    """For each temperature finds the saturation at which the mean colourfulness is the truth's; keeps the best by PSNR.

    It looks at the network's own size, before chroma is brought to a photograph's, so it depends on nothing but the
    network.

    Args:
        net: The network, switched to evaluation.
        bins: (Q, 2) centres of the quantised colours.
        batches: Of validation photographs; about the first 200 are looked at.

    Returns:
        ``temperature`` and ``saturation``; None where there are no photographs.
    """
    device = next(net.parameters()).device
    seen: list[tuple[Tensor, Tensor, UInt8]] = []
    for batch in islice(batches, MAX_PHOTOS):
        truth = pictures(batch.true_lightness, batch.ab)
        seen.append((batch.true_lightness, net(batch.lightness.to(device)).soft_logits.float().cpu(), truth))
        if sum(len(truth) for *_, truth in seen) >= MAX_PHOTOS:
            break
    if not seen:
        return None
    truths = np.concatenate([truth for *_, truth in seen])
    target = np.mean([colorfulness(truth) for truth in truths])
    best, settings = -np.inf, {}
    for temperature in TEMPERATURES:
        decoded = [(lightness, decode(logits, bins.cpu(), "annealed", temperature)) for lightness, logits, _ in seen]
        saturation = 1.0
        for _ in range(ROUNDS):
            results = np.concatenate([pictures(lightness, saturation * ab) for lightness, ab in decoded])
            reached = max(1e-3, float(np.mean([colorfulness(result) for result in results])))
            quality = float(psnr(truths, results).mean())
            used, saturation = saturation, min(MAX_SATURATION, saturation * float(target) / reached)
        if quality > best:
            best, settings = quality, {"temperature": temperature, "saturation": round(used, 3)}
    return settings
