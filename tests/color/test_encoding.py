import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.neighbors import NearestNeighbors

from scenehue.color.bins import ab_bins
from scenehue.color.encoding import soft_encode
from scenehue.color.lab import rgb_to_lab

BINS = torch.from_numpy(ab_bins().copy())


def search(ab: torch.Tensor, neighbours: int, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Over all bins, ties by index: what the quick way must equal."""
    squared = (ab.movedim(1, -1)[..., None, :] - BINS).square().sum(-1)
    nearest = torch.sort(squared, dim=-1, stable=True)
    weight = torch.softmax(nearest.values[..., :neighbours] / (-2 * sigma**2), -1)
    return nearest.indices[..., :neighbours].movedim(-1, 1), weight.movedim(-1, 1)


def check(ab: torch.Tensor, neighbours: int, sigma: float) -> None:
    index, weight = soft_encode(ab, neighbours, sigma)
    expected_index, expected_weight = search(ab, neighbours, sigma)
    assert torch.equal(index.sort(dim=1).values, expected_index.sort(dim=1).values)
    assert torch.equal(index[:, 0], expected_index[:, 0]), "the nearest bin comes first"
    in_order = [
        part.gather(1, order.argsort(dim=1)) for order, part in ((index, weight), (expected_index, expected_weight))
    ]
    torch.testing.assert_close(*in_order, atol=1e-6, rtol=0)


def in_gamut(rgb: np.ndarray) -> torch.Tensor:
    """(..., 3) uint8 to (1, 2, 1, N)."""
    return torch.from_numpy(rgb_to_lab(rgb.reshape(-1, 3))[:, 1:].T.copy())[None, :, None]


@pytest.mark.parametrize(("neighbours", "sigma"), [(5, 5.0), (1, 5.0), (10, 8.0)])
def test_equals_a_search_over_all_bins(neighbours: int, sigma: float) -> None:
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    ab = in_gamut(np.stack(np.meshgrid(levels, levels, levels), -1))
    ab = torch.cat([ab, ab.round(), (ab / 5).round() * 5])
    check(ab, neighbours, sigma)


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.just(3))))
def test_any_colour(rgb: np.ndarray) -> None:
    ab = in_gamut(rgb)
    check(ab, 5, 5.0)


def test_distances_are_those_of_scikit_learn() -> None:
    ab = in_gamut(np.random.default_rng(0).integers(0, 256, (500, 3), dtype=np.uint8))
    distance, _ = NearestNeighbors(n_neighbors=5).fit(ab_bins()).kneighbors(ab[0, :, 0].T.numpy())
    weight = np.exp(-(distance**2) / 50)
    weight /= weight.sum(1, keepdims=True)
    own = soft_encode(ab)[1][0, :, 0].sort(dim=0, descending=True).values.T
    np.testing.assert_allclose(own.numpy(), weight, atol=1e-5)


def test_a_photo_alone_and_in_a_batch() -> None:
    ab = torch.rand(3, 2, 5, 7) * 60 - 30
    together = soft_encode(ab)
    alone = [soft_encode(photo[None]) for photo in ab]
    assert torch.equal(together[0], torch.cat([index for index, _ in alone]))
    assert together[0].shape == (3, 5, 5, 7)
