"""The 313 quantised colours, by computation.

Zhang, Isola, Efros 2016 divide the ab plane into a grid of step 10 and keep what lies in gamut. Their list follows from
geometry: the grid points within Chebyshev distance 10 of the convex hull of the sRGB cube's ab projection.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull

from scenehue.color.lab import rgb_to_lab

STEP = 10
NUM_BINS = 313
AB_SCALE = 110.0
"""Lab units: no bin, and no colour of sRGB, has a larger ``|a|`` or ``|b|``; the paper scales ab by it to -1..1."""


@functools.cache
def ab_bins() -> npt.NDArray[np.float32]:
    """Centres of the quantised colours (Zhang et al. 2016, section 2.1).

    Returns:
        (313, 2): a, b in Lab units, ordered by a, then b. Read-only.

    Example:
        >>> ab_bins().shape, ab_bins()[0].tolist(), ab_bins()[-1].tolist()
        ((313, 2), [-90.0, 50.0], [100.0, 0.0])
    """
    levels = np.linspace(0, 1, 33)
    cube_ab = rgb_to_lab(np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3))[:, 1:]
    hull = cube_ab[ConvexHull(cube_ab).vertices].astype(np.float64)
    # A point is within Chebyshev distance d of a convex set just if it lies in the set's Minkowski sum with a square.
    square = STEP * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    widened = ConvexHull((hull[:, None] + square).reshape(-1, 2))
    axis = np.arange(-120, 121, STEP)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    inside = (grid @ widened.equations[:, :2].T + widened.equations[:, 2] <= 1e-9).all(axis=1)
    bins = grid[inside].astype(np.float32)
    bins.flags.writeable = False
    return bins
