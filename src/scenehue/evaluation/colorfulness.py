"""How colourful a picture looks, in the two variants that papers report under one name."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Int16 = npt.NDArray[np.int16]


def _opponents(rgb: UInt8) -> tuple[Int16, Int16]:
    """R - G and, doubled to stay whole numbers, (R + G) / 2 - B."""
    red, green, blue = np.moveaxis(rgb.astype(np.int16), -1, 0)
    return red - green, red + green - 2 * blue


def _combine(red_green: Int16, doubled_yellow_blue: Int16) -> float:
    deviations = math.hypot(red_green.std(dtype=np.float64), doubled_yellow_blue.std(dtype=np.float64) / 2)
    means = math.hypot(red_green.mean(dtype=np.float64), doubled_yellow_blue.mean(dtype=np.float64) / 2)
    return deviations + 0.3 * means


def colorfulness(rgb: UInt8) -> float:
    """Colourfulness by Hasler and Suesstrunk 2003, section 7, the measure M3.

    With rg = R - G and yb = (R + G) / 2 - B it is sqrt(std_rg^2 + std_yb^2) + 0.3 sqrt(mean_rg^2 + mean_yb^2), with
    population deviations.

    Args:
        rgb: (H, W, 3) uint8 sRGB.

    Returns:
        0 for grey, about 45 for an ordinary photograph, above 100 for a very colourful one.

    Example:
        >>> colorfulness(np.full((2, 2, 3), 77, np.uint8))
        0.0
    """
    return _combine(*_opponents(rgb))


def colorfulness_ddcolor(rgb: UInt8) -> float:
    """The variant in the published code of DDColor and CT2: that of `colorfulness` with abs(rg) and abs(yb).

    Args:
        rgb: (H, W, 3) uint8 sRGB.

    Returns:
        0 for grey; not comparable with `colorfulness`.
    """
    red_green, doubled_yellow_blue = _opponents(rgb)
    return _combine(np.abs(red_green), np.abs(doubled_yellow_blue))
