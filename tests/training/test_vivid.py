from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from scenehue.color.bins import ab_bins
from scenehue.color.decoding import decode
from scenehue.color.encoding import soft_encode
from scenehue.data.loading import Batch
from scenehue.evaluation.colorfulness import colorfulness
from scenehue.training.pictures import pictures, psnr
from scenehue.training.vivid import tune_vivid

BINS = torch.from_numpy(ab_bins().copy())


def batch(strength: float) -> Batch:
    torch.manual_seed(0)
    lightness = torch.full((4, 1, 32, 32), 60.0) + torch.randn(4, 1, 32, 32)
    ab = (torch.rand(4, 2, 4, 4) * 2 - 1).repeat_interleave(8, 2).repeat_interleave(8, 3) * strength
    return Batch(lightness, ab, lightness, torch.zeros(4, 5, dtype=torch.int64), torch.full((4, 5), 0.2))


class Seer(torch.nn.Module):
    """Sees the true colours, mixed with a share of grey."""

    def __init__(self, truth: Batch, dullness: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        index, weight = soft_encode(truth.ab)
        dense = torch.zeros(4, 313, 32, 32).scatter(1, index, weight)
        grey = torch.zeros_like(dense)
        grey[:, (BINS.abs().sum(1) == 0).nonzero().item()] = 1
        self.logits = ((1 - dullness) * dense + dullness * grey).clamp(min=1e-6).log()

    def forward(self, lightness: torch.Tensor) -> Any:
        return SimpleNamespace(soft_logits=self.logits)


def test_reaches_the_colourfulness_of_the_truth() -> None:
    truth = batch(30)
    vivid = tune_vivid(Seer(truth, 0.5), BINS, [truth])
    assert vivid is not None
    assert vivid["saturation"] > 1.5, "a mean that is half grey needs about twice the chroma"
    truths = pictures(truth.true_lightness, truth.ab)

    ab = decode(Seer(truth, 0.5).logits, BINS, "annealed", vivid["temperature"]) * vivid["saturation"]
    results = pictures(truth.true_lightness, ab)
    wanted, reached = (np.mean([colorfulness(picture) for picture in many]) for many in (truths, results))
    assert reached == pytest.approx(wanted, rel=0.02)
    assert psnr(truths, results).mean() > psnr(truths, pictures(truth.true_lightness, 0 * truth.ab)).mean()


def test_without_photos_there_is_nothing_to_tune() -> None:
    assert tune_vivid(Seer(batch(30), 0.5), BINS, []) is None
