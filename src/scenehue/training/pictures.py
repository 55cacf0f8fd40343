"""Pictures that validation looks at, at the network's own size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from scenehue.color.gamut import fit_gamut
from scenehue.color.lab import lab_to_rgb, to_uint8

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]


def pictures(lightness: Tensor, ab: Tensor) -> UInt8:
    """Joins lightness with chroma of any size.

    Args:
        lightness: (N, 1, H, W), L in 0..100.
        ab: (N, 2, h, w) in Lab units; what is no number counts as grey.

    Returns:
        (N, H, W, 3) sRGB.
    """
    ab = F.interpolate(torch.nan_to_num(ab.float()), size=lightness.shape[2:], mode="bilinear", align_corners=False)
    lab = torch.cat([lightness, ab], dim=1).permute(0, 2, 3, 1).cpu().numpy()
    return to_uint8(lab_to_rgb(fit_gamut(lab)))


def sheet(columns: Sequence[UInt8], num: int = 8) -> UInt8:
    """The first photos of a batch as one picture: a row for each photo, its versions side by side.

    Args:
        columns: The versions, (N, H, W, 3) each.
        num: Photos at most.
    """
    return np.concatenate(
        [np.concatenate(row, axis=1) for row in zip(*(column[:num] for column in columns), strict=True)]
    )
