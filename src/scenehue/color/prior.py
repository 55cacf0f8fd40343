"""How frequent each colour is, and the weights that make rare ones count (Zhang et al. 2016, section 2.2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scenehue.color.bins import NUM_BINS

Float64 = npt.NDArray[np.float64]


def soft_histogram(index: Tensor, weight: Tensor) -> Float64:
    """The summed soft encoding of many pixels.

    Its mean over all training photographs is the prior: the encoding's Gaussian lies in the ab plane, so no further
    smoothing is due. (Smoothing along the bins' 1-D order, as some do, mixes colours that are no neighbours.)

    Args:
        index: (N, K, H, W) bin indices, as `soft_encode` gives them.
        weight: (N, K, H, W) their weights.

    Returns:
        (313,) float64, summing to the number of pixels.
    """
    return torch.bincount(index.flatten(), weight.flatten().double(), minlength=NUM_BINS).numpy()


def rebalancing_weights(prior: Float64, uniform_share: float = 0.5) -> Float64:
    """Weights of the colours: the rarer, the larger (equation 4).

    ``w`` is proportional to ``1 / ((1 - lambda) p + lambda / Q)``, scaled so that its expectation under the prior is 1.

    Args:
        prior: (Q,) probabilities, summing to 1.
        uniform_share: lambda: 0 inverts the prior itself, 1 weighs all colours alike.

    Returns:
        (Q,) positive weights with ``sum(prior * weights) == 1``.

    Example:
        >>> rebalancing_weights(np.array([0.75, 0.25]), uniform_share=0.5).round(3).tolist()
        [0.857, 1.429]
    """
    weights = 1 / ((1 - uniform_share) * prior + uniform_share / len(prior))
    return np.asarray(weights / (prior * weights).sum())
