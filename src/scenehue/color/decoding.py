"""From a distribution over the bins back to one colour a pixel (Zhang et al. 2016, section 2.3)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Decoding = Literal["mode", "mean", "annealed"]


def decode(logits: Tensor, bins: Tensor, how: Decoding = "annealed", temperature: float | Tensor = 0.38) -> Tensor:
    """One colour a pixel.

    Args:
        logits: (N, Q, H, W), unnormalised log probabilities.
        bins: (Q, 2) bin centres in Lab units.
        how: ``mode``: the most probable bin, saturated but speckled. ``mean``: the expectation, smooth but dull.
            ``annealed``: the expectation after sharpening by the temperature, between the two (equation 5).
        temperature: Of the annealed mean; 1 gives the mean, towards 0 the mode.

    Returns:
        (N, 2, H, W): ab in Lab units, float32.

    Example:
        >>> bins = torch.tensor([[0.0, 0.0], [10.0, -10.0]])
        >>> decode(torch.zeros(1, 2, 1, 1), bins, "mean").flatten().tolist()
        [5.0, -5.0]
    """
    bins = bins.to(logits.device, torch.float32)
    if how == "mode":
        return bins[logits.argmax(dim=1)].movedim(-1, 1)
    if how == "annealed":
        logits = logits.float() / temperature
    return torch.einsum("nqhw,qc->nchw", torch.softmax(logits.float(), dim=1), bins)
