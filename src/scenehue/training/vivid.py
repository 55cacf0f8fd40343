"""Chooses the ``vivid`` decoder of a model: as colourful as real photographs, and of those settings the truest one."""

from __future__ import annotations

from collections.abc import Iterable

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
    lightnesses: list[Tensor] = []
    truth_list: list[UInt8] = []
    decoded: dict[float, list[Tensor]] = {temperature: [] for temperature in TEMPERATURES}
    for batch in batches:
        logits = net(batch.lightness.to(device)).soft_logits
        for temperature, abs_so_far in decoded.items():
            abs_so_far.append(decode(logits, bins, "annealed", temperature).cpu())
        lightnesses.append(batch.true_lightness)
        truth_list.append(pictures(batch.true_lightness, batch.ab))
        if sum(map(len, truth_list)) >= MAX_PHOTOS:
            break
    if not truth_list:
        return None
    truths = np.concatenate(truth_list)
    target = np.mean([colorfulness(truth) for truth in truths])
    best, settings = -np.inf, {}
    for temperature in TEMPERATURES:
        saturation = 1.0
        for _ in range(ROUNDS):
            pairs = zip(lightnesses, decoded[temperature], strict=True)
            results = np.concatenate([pictures(lightness, saturation * ab) for lightness, ab in pairs])
            reached = max(1e-3, float(np.mean([colorfulness(result) for result in results])))
            quality = float(psnr(truths, results).mean())
            used, saturation = saturation, min(MAX_SATURATION, saturation * float(target) / reached)
        if quality > best:
            best, settings = quality, {"temperature": temperature, "saturation": round(used, 3)}
    return settings
