"""Soft encoding: each pixel's colour as weights over its nearest bins.

The bins lie on a grid of step 10, so which five are nearest follows from where a colour lies between four grid points.
Only near the border of the gamut, and where bins are (almost) equally far, candidates from a table are compared one by
one.

Shapes: N photos, K neighbours, H height, W width, Q bins; C candidates, X cells of the table, P pixels of all photos.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from scenehue.color.bins import NUM_BINS, STEP, ab_bins

REACH = 130
"""The tables cover -130..130 on both axes; no colour of sRGB lies further out."""
CELL = 1.0
"""Side of a cell of the table of candidates, in ab units."""
SIDE = 2 * REACH // STEP + 1
"""Grid points along an axis."""
MARGIN = 1e-3
"""Colours this near to a tie, in ab units, are compared one by one."""


@functools.cache
def _candidates(neighbours: int) -> tuple[Tensor, Tensor]:
    """The bins that can be among the nearest, for every cell of a fine grid over the ab plane.

    Returns:
        (C, cells) bin indices in ascending order, padded with Q; (Q + 1, 2) bin centres, the padding's far away.
    """
    bins = torch.from_numpy(ab_bins().copy()).double()
    axis = torch.arange(-REACH, REACH, CELL, dtype=torch.float64) + CELL / 2
    centres = torch.cartesian_prod(axis, axis)
    offset = (centres[:, None] - bins).abs()
    # Per cell and bin, the largest and smallest distance between the bin and any point of the closed cell.
    farthest = (offset + CELL / 2).square().sum(-1)
    nearest = (offset - CELL / 2).clamp(min=0).square().sum(-1)
    possible = nearest <= farthest.kthvalue(neighbours, dim=1, keepdim=True).values
    index = torch.where(possible, torch.arange(NUM_BINS), NUM_BINS).sort(dim=1).values
    far_away = torch.full((1, 2), torch.inf)
    return index[:, : int(possible.sum(1).max())].T.contiguous(), torch.cat([bins, far_away]).float()


def soft_encode(ab: Tensor, neighbours: int = 5, sigma: float = 5.0) -> tuple[Tensor, Tensor]:
    """Weights over the nearest bins, falling off as a Gaussian of the distance (Zhang et al. 2016, section 2.2).

    Exact: equal to a search over all 313 bins, at a fraction of its cost. Bins at equal distance are taken in order of
    their index.

    Args:
        ab: (N, 2, H, W): Lab units, within the gamut of sRGB.
        neighbours: Bins that share a pixel.
        sigma: Width of the Gaussian, in ab units.

    Returns:
        (N, K, H, W) bin indices, int64, the nearest first and the others in no certain order; (N, K, H, W) their
        weights, float32, summing to 1 over K.

    Example:
        >>> index, weight = soft_encode(torch.zeros(1, 2, 1, 1))
        >>> ab_bins()[index[0, 0, 0, 0]].tolist(), round(weight[0, 0, 0, 0].item(), 3)
        ([0.0, 0.0], 0.649)
    """
    point_2P = ab.float().movedim(1, 0).flatten(1)
    if neighbours == 5:
        index_KP, distance_KP, is_sure_P = _by_geometry(point_2P)
        unsure = (~is_sure_P).nonzero()[:, 0]
        index_KP[:, unsure], distance_KP[:, unsure] = _by_comparison(point_2P[:, unsure], neighbours)
    else:
        index_KP, distance_KP = _by_comparison(point_2P, neighbours)
    weight_KP = torch.softmax(distance_KP / (-2 * sigma**2), dim=0)
    shape = (neighbours, ab.shape[0], *ab.shape[2:])
    return index_KP.view(shape).movedim(1, 0), weight_KP.view(shape).movedim(1, 0)


@functools.cache
def _grid() -> Tensor:
    """(SIDE * SIDE,) the bin at each grid point, -1 where there is none."""
    grid = torch.full((SIDE, SIDE), -1)
    a, b = ((torch.from_numpy(ab_bins().copy()) + REACH) / STEP).long().T
    grid[a, b] = torch.arange(NUM_BINS)
    return grid.flatten()


def _by_geometry(point_2P: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The five grid points nearest to each colour, their squared distances, and whether these are its five bins.

    With p >= q the distances to the nearest grid point along the two axes, the five are that point, the next ones
    towards the colour along both axes, the one away from it along q's, and either the diagonal one or the one away
    along p's.
    """
    cell_2P = (point_2P / STEP).round()
    offset_2P = point_2P - STEP * cell_2P
    step_2P = torch.where(offset_2P < 0, -1, 1)
    step_2P[0] *= SIDE
    away_2P = offset_2P.abs_()
    a_is_farther = away_2P[0] >= away_2P[1]
    p, q = torch.maximum(*away_2P), torch.minimum(*away_2P)
    along_p = torch.where(a_is_farther, step_2P[0], step_2P[1])
    along_q = step_2P[0] + step_2P[1] - along_p
    lead = 2 * p + q - STEP / 2
    takes_diagonal = lead > 0
    row_P, column_P = (cell_2P + REACH // STEP).long().clamp_(1, SIDE - 2)
    place_P = row_P * SIDE + column_P
    places = (0, along_p, along_q, -along_q, torch.where(takes_diagonal, along_p + along_q, -along_p))
    index_KP = _grid().to(p.device)[torch.stack([place_P + place for place in places])]
    r = p.square() + q.square()
    last = torch.where(takes_diagonal, 2 * STEP * (STEP - p - q), STEP * (STEP + 2 * p))
    steps = (r - r, STEP * (STEP - 2 * p), STEP * (STEP - 2 * q), STEP * (STEP + 2 * q), last)
    is_tie = (p > STEP / 2 - MARGIN) | (lead.abs() < MARGIN) | (takes_diagonal & ((q < MARGIN) | (p - q < MARGIN)))
    return index_KP, torch.stack([r + step for step in steps]), (index_KP >= 0).all(dim=0) & ~is_tie


def _by_comparison(point_2P: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """The bins nearest to each colour and their squared distances, nearest first, ties in order of their index."""
    table_CX, centres = (part.to(point_2P.device) for part in _candidates(neighbours))
    cells_a_side = round(2 * REACH / CELL)
    cell_2P = ((point_2P + REACH) / CELL).long().clamp(0, cells_a_side - 1)
    candidate_CP = table_CX[:, cell_2P[0] * cells_a_side + cell_2P[1]]
    offset_a, offset_b = (centres[:, axis][candidate_CP] - point_2P[axis] for axis in (0, 1))
    distance_CP = offset_a.square() + offset_b.square()
    # Each candidate's rank is the number of those before it; at equal distance the lower bin index is before.
    rank_CP = torch.zeros_like(candidate_CP)
    for later in range(1, len(distance_CP)):
        is_before = distance_CP[:later] <= distance_CP[later]
        rank_CP[later] += is_before.sum(0)
        rank_CP[:later] += ~is_before
    ranked_CP = torch.empty_like(candidate_CP).scatter_(0, rank_CP, candidate_CP)
    return ranked_CP[:neighbours], torch.empty_like(distance_CP).scatter_(0, rank_CP, distance_CP)[:neighbours]
