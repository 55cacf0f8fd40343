"""Soft encoding: each pixel's colour as weights over its nearest bins.

Shapes: N photos, K neighbours, H height, W width, Q bins; C candidates, X cells of the grid,
P pixels of all photos.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from scenehue.color.bins import NUM_BINS, ab_bins

CELL = 1.0
"""Side of a cell of the look-up grid, in ab units."""
REACH = 130
"""The grid covers -130..130 on both axes; no colour of sRGB lies further out."""
FEW = 7
"""Most cells have at most this many candidates; only the pixels of the others are searched among more."""


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
        (N, K, H, W) bin indices, int64, nearest first; (N, K, H, W) weights, float32, summing to 1 over K.

    Example:
        >>> index, weight = soft_encode(torch.zeros(1, 2, 1, 1))
        >>> ab_bins()[index[0, 0, 0, 0]].tolist(), round(weight[0, 0, 0, 0].item(), 3)
        ([0.0, 0.0], 0.649)
    """
    table_CX, centres = (part.to(ab.device) for part in _candidates(neighbours))
    cells_a_side = round(2 * REACH / CELL)
    point_2P = ab.float().movedim(1, 0).flatten(1)
    cell_2P = ((point_2P + REACH) / CELL).long().clamp(0, cells_a_side - 1)
    cell_P = cell_2P[0] * cells_a_side + cell_2P[1]
    few = max(FEW, neighbours)
    index_KP, distance_KP = _nearest(point_2P, table_CX[:few].index_select(1, cell_P), centres, neighbours)
    if few < len(table_CX):
        more = (table_CX[few, cell_P] < NUM_BINS).nonzero()[:, 0]
        found = _nearest(point_2P[:, more], table_CX.index_select(1, cell_P[more]), centres, neighbours)
        index_KP[:, more], distance_KP[:, more] = found
    weight_KP = torch.softmax(distance_KP / (-2 * sigma**2), dim=0)
    shape = (neighbours, ab.shape[0], *ab.shape[2:])
    return index_KP.view(shape).movedim(1, 0), weight_KP.view(shape).movedim(1, 0)


def _nearest(point_2P: Tensor, candidate_CP: Tensor, centres: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """The nearest among each point's candidates, and their squared distances; (K, P) both."""
    flat = candidate_CP.flatten()
    offset_a, offset_b = (
        centres[:, axis].index_select(0, flat).view_as(candidate_CP).sub_(point_2P[axis]) for axis in (0, 1)
    )
    distance_CP = offset_a.square_().add_(offset_b.square_())
    # Each candidate's rank is the number of those before it; at equal distance the lower bin index is before.
    rank_CP = torch.zeros_like(distance_CP, dtype=torch.uint8)
    for later in range(1, len(distance_CP)):
        for earlier in range(later):
            is_before = distance_CP[earlier] <= distance_CP[later]
            rank_CP[later] += is_before
            rank_CP[earlier] += ~is_before
    rank_CP = rank_CP.long()
    ranked_CP = torch.empty_like(candidate_CP).scatter_(0, rank_CP, candidate_CP)
    return ranked_CP[:neighbours], torch.empty_like(distance_CP).scatter_(0, rank_CP, distance_CP)[:neighbours]
