import numpy as np
import pytest
import torch

from scenehue.color.encoding import soft_encode
from scenehue.color.prior import rebalancing_weights, soft_histogram


def test_zhangs_weights_from_the_ends_of_his_prior() -> None:
    # Known of his ImageNet prior: largest entry .201, smallest about 0; his weights run from .0965 to 6.17.
    prior = np.full(313, (1 - 0.201) / 311)
    prior[0], prior[1] = 0.201, 0
    weights = rebalancing_weights(prior, 0.5)
    assert weights.max() / weights.min() == pytest.approx(63.9, abs=0.1)
    assert pytest.approx(weights.max() / weights.min(), rel=2e-3) == 6.17 / 0.0965


@pytest.mark.parametrize("uniform_share", [0.0, 0.5, 1.0])
def test_the_expected_weight_is_one(uniform_share: float) -> None:
    prior = np.random.default_rng(0).dirichlet(np.full(313, 0.3)) + 1e-6
    prior /= prior.sum()
    weights = rebalancing_weights(prior, uniform_share)
    assert (prior * weights).sum() == pytest.approx(1)
    assert (np.diff(weights[np.argsort(prior)]) <= 1e-9).all(), "the rarer, the larger"


def test_histogram_is_the_dense_sum() -> None:
    index, weight = soft_encode(torch.rand(2, 2, 6, 5) * 80 - 40)
    dense = torch.zeros(2, 313, 6, 5).scatter(1, index, weight)
    np.testing.assert_allclose(soft_histogram(index, weight), dense.sum((0, 2, 3)).numpy(), atol=1e-4)
    assert soft_histogram(index, weight).sum() == pytest.approx(60, abs=1e-3)
