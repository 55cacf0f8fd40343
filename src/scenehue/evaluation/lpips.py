"""LPIPS where its weights are on this machine; nothing is downloaded for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

UInt8 = npt.NDArray[np.uint8]

WEIGHTS = {"alex": "alexnet-owt-7be5be79.pth", "squeeze": "squeezenet1_1-b8a52dc0.pth"}
"""Torchvision's files, with the start of their checksum in the name."""


def load_lpips(net: Literal["alex", "squeeze"] = "alex") -> tuple[Callable[[UInt8, UInt8], float] | None, str]:
    """The learned perceptual distance (Zhang et al. 2018), lower being nearer.

    Args:
        net: Network whose features are compared; papers report ``alex``.

    Returns:
        A function of two (H, W, 3) uint8 sRGB pictures, and a name for it; or None and the reason why there is none.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS[net]
    if not path.is_file():
        return None, (
            f"not available: the weights {path.name} are not in torch's folder of checkpoints (`torch.hub.get_dir()`), "
            "and an evaluation downloads nothing"
        )
    with path.open("rb") as file:
        if not hashlib.file_digest(file, "sha256").hexdigest().startswith(path.stem.rsplit("-", 1)[1]):
            return (
                None,
                f"not available: {path.name} in torch's folder of checkpoints does not have the checksum in its name",
            )
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    metric = LearnedPerceptualImagePatchSimilarity(net_type=net).eval()

    def distance(truth: UInt8, result: UInt8) -> float:
        pictures = [torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1 for picture in (truth, result)]
        with torch.inference_mode():
            return float(metric(*pictures))

    return distance, f"LPIPS ({net})"
