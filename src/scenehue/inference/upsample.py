"""Chroma from the network's size to the photograph's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Float32 = npt.NDArray[np.float32]


def resize(plane: Float32, height: int, width: int) -> Float32:
    """Resizes one plane: averaged over areas when it shrinks, bilinear when it grows.

    Args:
        plane: (H, W).
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        (height, width).
    """
    if plane.shape == (height, width):
        return plane
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.array(image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0))


def upsample_bilinear(ab: Float32, height: int, width: int) -> Float32:
    """Brings chroma to full size without looking at the lightness.

    Args:
        ab: (2, h, w) in Lab units.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        (height, width, 2) in Lab units.
    """
    return np.stack([resize(plane, height, width) for plane in ab], axis=-1)
