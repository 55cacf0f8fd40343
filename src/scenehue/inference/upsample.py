"""Chroma from the network's small map to the photograph's size, along the photograph's own edges.

Around each point of a small map, chroma is close to a linear function of lightness, ``ab = slope * L + offset`` (the
idea of the guided filter, He, Sun, Tang 2010). The slopes bring back what the small map lost: where the full-size
lightness departs from the small one, chroma departs with it. It is done twice, from the network's map to the working
size and from there to the photograph's; between the two, what the result lost against the map is added back
(back-projection), so that colours stay the network's own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

Float32 = npt.NDArray[np.float32]

VARIANCE = np.float32(16)
"""Variance of L, in units squared, below which slopes fade out: flat areas take no colour from grain."""
TRUST = np.float32(0.6)
"""Share of a slope that is used; chosen on photographs, where fine detail follows the surroundings' slope less."""
BACK_PROJECTIONS = 2
BLOCK = 24
"""Points that share a matrix product: longer ones would multiply more zeros."""
REDUCING_GAP = 3
"""Planes are shrunk to this many times the wanted size by means of blocks, and from there by the kernel."""


def resize(plane: Float32, height: int, width: int, kernel: Image.Resampling = Image.Resampling.BILINEAR) -> Float32:
    """Resizes one plane; where it shrinks, the kernel widens, so that areas are averaged.

    Args:
        plane: (H, W).
        height: Rows of the result.
        width: Columns of the result.
        kernel: Interpolation.

    Returns:
        (height, width).
    """
    if plane.shape == (height, width):
        return plane
    box = (0.0, 0.0, float(plane.shape[1]), float(plane.shape[0]))
    factor = int(min(plane.shape[0] / height, plane.shape[1] / width) / REDUCING_GAP)
    if factor > 1:
        plane, box = _block_means(plane, factor), (0.0, 0.0, plane.shape[1] / factor, plane.shape[0] / factor)
    return np.array(Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize((width, height), kernel, box))


def _block_means(plane: Float32, factor: int) -> Float32:
    """Means of square blocks, a few rows of them at a time: Pillow copies what it is given."""
    rows = factor * max(1, (1 << 18) // (factor * plane.shape[1]))
    bands = [np.ascontiguousarray(plane[top : top + rows], np.float32) for top in range(0, len(plane), rows)]
    return np.concatenate([np.asarray(Image.fromarray(band).reduce(factor)) for band in bands])


def cubic(planes: Float32, height: int, width: int) -> Float32:
    """Resizes planes by the kernel of Pillow's ``BICUBIC``, several times faster: in blocks, as matrix products.

    Args:
        planes: (..., H, W).
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        (..., height, width).
    """
    if height != planes.shape[-2]:
        rows = np.empty((*planes.shape[:-2], height, planes.shape[-1]), np.float32)
        for top in range(0, height, BLOCK):
            first, weights = _weights(planes.shape[-2], height, top, min(top + BLOCK, height))
            np.matmul(weights, planes[..., first : first + weights.shape[1], :], out=rows[..., top : top + BLOCK, :])
        planes = rows
    if width != planes.shape[-1]:
        columns = np.empty((*planes.shape[:-1], width), np.float32)
        for left in range(0, width, BLOCK):
            first, weights = _weights(planes.shape[-1], width, left, min(left + BLOCK, width))
            columns[..., left : left + BLOCK] = planes[..., first : first + weights.shape[1]] @ weights.T
        planes = columns
    return planes


def _area(planes: Float32, height: int, width: int) -> Float32:
    return np.stack([resize(plane, height, width) for plane in planes])


def _blur(planes: Float32, weight: float) -> Float32:
    """3x3 mean whose neighbours weigh `weight` for 1 of the middle, borders repeated."""
    middle, side = np.float32(1 / (1 + 2 * weight)), np.float32(weight / (1 + 2 * weight))
    share = planes * side
    down = planes * middle
    down[..., 1:, :] += share[..., :-1, :]
    down[..., :-1, :] += share[..., 1:, :]
    down[..., [0, -1], :] += share[..., [0, -1], :]
    np.multiply(down, side, out=share)
    down *= middle
    down[..., 1:] += share[..., :-1]
    down[..., :-1] += share[..., 1:]
    down[..., [0, -1]] += share[..., [0, -1]]
    return down


def local_lines(lightness: Float32, ab: Float32, weight: float) -> tuple[Float32, Float32]:
    """Chroma around each point as a line over lightness that passes through the point's own chroma.

    Args:
        lightness: (h, w), L in 0..100.
        ab: (2, h, w) in Lab units.
        weight: Of the neighbours in the regression, for 1 of the point itself.

    Returns:
        Slopes and offsets, each (2, h, w), so that ``ab == slopes * lightness + offsets``.
    """
    stack = np.empty((6, *lightness.shape), np.float32)
    stack[0] = lightness
    np.multiply(lightness, lightness, out=stack[1])
    stack[2:4] = ab
    np.multiply(ab, lightness, out=stack[4:])
    blurred = _blur(stack, weight)
    mean, mean_square, mean_ab, slopes = blurred[0], blurred[1], blurred[2:4], blurred[4:]
    slopes -= mean * mean_ab
    mean_square -= mean * mean
    np.maximum(mean_square, 0, out=mean_square)
    mean_square += VARIANCE
    slopes *= TRUST / mean_square
    return slopes, ab - slopes * lightness


def refine(ab: Float32, lightness: Float32) -> Float32:
    """Brings the network's map to the working size.

    Args:
        ab: (2, h, w) in Lab units.
        lightness: (H, W), L in 0..100.

    Returns:
        (2, H, W) in Lab units; averaged over areas of the small map's points it gives back that map, nearly.
    """
    small, full = ab.shape[1:], lightness.shape
    if small == full:
        return ab
    slopes, offsets = local_lines(resize(lightness, *small), ab, weight=0.4)
    refined = cubic(slopes, *full) * lightness + cubic(offsets, *full)
    for _ in range(BACK_PROJECTIONS):
        refined += cubic(ab - _area(refined, *small), *full)
    return refined


class ChromaField:
    """Chroma of a photograph at its full size, computed in bands of rows when it is asked for.

    Where the network looked at several sizes, each look is brought along the edges that it saw, and the lines are
    averaged. Averaging the maps themselves would bring the coarse ones to the finest without looking at an edge.

    Args:
        looks: The network's map, (2, h, w) in Lab units, and what it saw, (H, W), L in 0..100, of each size; the
            largest first.
        height: Of the photograph.
        width: Of the photograph.
    """

    def __init__(self, looks: Sequence[tuple[Float32, Float32]], height: int, width: int) -> None:
        rows, columns = looks[0][1].shape
        self.height, self.width = height, width
        lines = [
            cubic(np.concatenate(local_lines(lightness, refine(ab, lightness), weight=0.8)), rows, columns)
            for ab, lightness in looks
        ]
        self._lines = cubic(np.mean(lines, axis=0, dtype=np.float32), rows, width)

    def rows(self, top: int, lightness: Float32) -> Float32:
        """Some rows of the coloured photograph, not yet reduced into gamut.

        Args:
            top: Index of the first.
            lightness: (R, width), the photograph's L of those rows.

        Returns:
            (3, R, width): planes of L, a and b in Lab units.
        """
        lab = np.empty((3, *lightness.shape), np.float32)
        lab[0] = lightness
        for start in range(0, len(lightness), BLOCK):
            stop = min(start + BLOCK, len(lightness))
            first, weights = _weights(self._lines.shape[1], self.height, top + start, top + stop)
            lines = weights @ self._lines[:, first : first + weights.shape[1]]
            np.multiply(lines[:2], lightness[start:stop], out=lab[1:, start:stop])
            lab[1:, start:stop] += lines[2:]
        return lab


@functools.lru_cache(maxsize=4096)
def _weights(source: int, target: int, start: int, stop: int) -> tuple[int, Float32]:
    """Cubic interpolation along one axis as a matrix, with the kernel of Pillow's ``BICUBIC``.

    Returns:
        Index of the first source point that is needed, and (stop - start, needed points) weights.
    """
    scale = source / target
    stretch = max(scale, 1.0)
    centres = (np.arange(start, stop) + 0.5) * scale
    first = max(0, int(centres[0] - 2 * stretch))
    last = min(source, int(np.ceil(centres[-1] + 2 * stretch)))
    distance = np.abs(np.arange(first, last) + 0.5 - centres[:, None]) / stretch
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    return first, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def upsample_edge_aware(ab: Float32, lightness: Float32, guide: Float32) -> Float32:
    """Brings chroma to full size along the edges of the full-size lightness.

    Args:
        ab: (2, h, w) in Lab units, the network's map.
        lightness: (H, W), L in 0..100, at the size that the network saw.
        guide: (height, width), L in 0..100, at full size.

    Returns:
        (height, width, 2) in Lab units.
    """
    return np.moveaxis(ChromaField([(ab, lightness)], *guide.shape).rows(0, guide)[1:], 0, -1)


def upsample_bilinear(ab: Float32, height: int, width: int) -> Float32:
    """Brings chroma to full size without looking at the lightness; for comparison.

    Args:
        ab: (2, h, w) in Lab units.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        (height, width, 2) in Lab units.
    """
    return np.stack([resize(plane, height, width) for plane in ab], axis=-1)
