"""Colours that sRGB cannot show, brought back to the nearest chroma that it can, at constant lightness and hue.

Clipping RGB instead would change lightness, by up to 8.5 L at a chroma of 40.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from scenehue.color.lab import Float32, planes_to_linear

TOLERANCE = np.float32(1e-4)
"""How far outside 0..1 a linear intensity may be and still count as inside."""
LEVELS = 256
HUES = 1024
MARGIN = np.float32(0.999)
"""Covers the table's interpolation error."""


def _diamond(hue: Float32) -> tuple[Float32, Float32]:
    """Point of the diamond ``|a| + |b| = 1`` at `hue` in 0..4, which runs around it as an angle would."""
    a = np.where(hue <= 2, 1 - hue, hue - 3)
    b = np.where(hue <= 2, 1 - np.abs(a), np.abs(a) - 1)
    return a.astype(np.float32), b.astype(np.float32)


def _outside(linear: Float32) -> npt.NDArray[np.bool_]:
    """Which of the colours in (3, N) sRGB cannot show."""
    wrong = linear.min(axis=0) < -TOLERANCE
    wrong |= linear.max(axis=0) > 1 + TOLERANCE
    return wrong


def _scaled(lab: Float32, scale: Float32) -> Float32:
    """(3, N) planes with their chroma multiplied by (N,) factors."""
    return np.concatenate([lab[:1], lab[1:] * scale])


def _largest_scale(lab: Float32, start: float, steps: int = 14) -> Float32:
    """Largest factors on the chroma of (3, N) planes, from 0 to `start`, that stay in gamut, by bisection."""
    scale = np.zeros(lab.shape[1], np.float32)
    for step in start / 2 ** np.arange(1, steps + 1, dtype=np.float32):
        scale += step * ~_outside(planes_to_linear(_scaled(lab, scale + step)))
    return scale


@functools.cache
def _gamut_table() -> Float32:
    """((LEVELS + 1) * (HUES + 1),): largest ``|a| + |b|`` in gamut, over L in 0..100 and the diamond's hues."""
    a, b = _diamond(np.linspace(0, 4, HUES + 1, dtype=np.float32)[None])
    bands = np.array_split(np.linspace(0, 100, LEVELS + 1, dtype=np.float32), LEVELS // 16)
    grids = [np.stack(np.broadcast_arrays(band[:, None], a, b)).reshape(3, -1) for band in bands]
    return np.concatenate([_largest_scale(grid, start=200) for grid in grids])


def gamut_scale(lab: Float32) -> Float32:
    """Factors on the chroma that bring colours into gamut.

    The gamut's border is interpolated in a table of 256 x 1024 lightnesses and hues; measured on random colours, the
    chroma is then at most 0.2 from the true border for 99.9 % of them.

    Args:
        lab: (3, N): planes of L in 0..100, a and b in Lab units.

    Returns:
        (N,) in 0..1.
    """
    lightness, a, b = lab
    size = np.abs(a) + np.abs(b)
    size += np.float32(1e-6)
    # The diamond's hue: 1 - a/size in the upper half, 3 + a/size in the lower.
    hue = a / size
    hue *= -np.copysign(np.float32(1), b)
    hue += 2 - np.copysign(np.float32(1), b)
    hue *= np.float32(HUES / 4)
    level = lightness * np.float32(LEVELS / 100)
    left = np.clip(hue.astype(np.int32), 0, HUES - 1)
    above = np.clip(level.astype(np.int32), 0, LEVELS - 1)
    hue -= left
    level -= above
    corner = (above * (HUES + 1) + left).astype(np.intp)
    table = _gamut_table()
    upper, lower = table[corner], table[corner + (HUES + 1)]
    upper += (table[corner + 1] - upper) * hue
    lower += (table[corner + (HUES + 2)] - lower) * hue
    upper += (lower - upper) * level
    upper *= MARGIN
    upper /= size
    return np.clip(upper, 0, 1, out=upper)


def fitted_linear(lab: Float32) -> Float32:
    """Light intensities of Lab colours, their chroma reduced into gamut where needed.

    Args:
        lab: (3, N): planes of L in 0..100, a and b in Lab units.

    Returns:
        (3, N): linear red, green and blue; a few may still lie outside 0..1 by a hair, where clipping changes L by less
        than 0.1.
    """
    linear = planes_to_linear(lab)
    wrong = np.flatnonzero(_outside(linear))
    if wrong.size:
        colors = lab[:, wrong]
        linear[:, wrong] = planes_to_linear(_scaled(colors, gamut_scale(colors)))
    return linear


def fit_gamut(lab: Float32) -> Float32:
    """Reduces chroma, at constant lightness and hue, until sRGB can show every colour.

    Args:
        lab: (..., 3): L in 0..100, ab in Lab units.

    Returns:
        The colours, those inside the gamut unchanged.

    Example:
        >>> fit_gamut(np.array([[50, 10, 10], [90, 60, 0]], np.float32)).round().tolist()
        [[50.0, 10.0, 10.0], [90.0, 15.0, 0.0]]
    """
    flat = lab.reshape(-1, 3)
    wrong = _outside(planes_to_linear(flat.T))
    if not wrong.any():
        return lab
    colors = flat[wrong].T
    scale = gamut_scale(colors)
    still = _outside(planes_to_linear(_scaled(colors, scale)))
    if still.any():
        scale[still] = np.minimum(scale[still], _largest_scale(colors[:, still], start=1))
    fitted = flat.copy()
    fitted[wrong, 1:] *= scale[:, None]
    return fitted.reshape(lab.shape)
