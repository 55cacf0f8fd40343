import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scenehue.color.bins import ab_bins
from scenehue.color.decoding import decode
from scenehue.color.encoding import soft_encode
from scenehue.color.lab import rgb_to_lab

BINS = torch.from_numpy(ab_bins().copy())


def logits_of(probabilities: torch.Tensor) -> torch.Tensor:
    return probabilities.clamp(min=1e-30).log()


def test_annealed_mean_is_the_formula_of_zhang() -> None:
    logits = torch.randn(2, 313, 3, 4)
    z = torch.softmax(logits, 1).double()
    sharpened = torch.exp(torch.log(z) / 0.38)
    sharpened /= sharpened.sum(1, keepdim=True)
    expected = torch.einsum("nqhw,qc->nchw", sharpened, BINS.double())
    torch.testing.assert_close(decode(logits, BINS, "annealed", 0.38).double(), expected, atol=1e-4, rtol=0)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 312), st.sampled_from(["mode", "mean", "annealed"]))
def test_a_certain_bin_decodes_to_its_centre(bin_index: int, how: str) -> None:
    certain = torch.zeros(1, 313, 1, 1)
    certain[0, bin_index] = 1
    torch.testing.assert_close(decode(logits_of(certain), BINS, how).flatten(), BINS[bin_index])


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_encoding_and_decoding_comes_back_near(rgb: tuple[int, int, int]) -> None:
    ab = torch.from_numpy(rgb_to_lab(np.array(rgb, np.uint8))[1:]).view(1, 2, 1, 1)
    index, weight = soft_encode(ab)
    dense = torch.zeros(1, 313, 1, 1).scatter(1, index, weight)
    assert (decode(logits_of(dense), BINS, "mean") - ab).abs().max() < 10, "a cell of the grid"


def test_temperatures_lie_between_mean_and_mode() -> None:
    logits = torch.randn(1, 313, 8, 8) * 3
    torch.testing.assert_close(decode(logits, BINS, "annealed", 1.0), decode(logits, BINS, "mean"))
    torch.testing.assert_close(decode(logits, BINS, "annealed", 1e-4), decode(logits, BINS, "mode"), atol=0.5, rtol=0)


@pytest.mark.parametrize("how", ["mode", "mean", "annealed"])
def test_half_precision_logits_give_float32(how: str) -> None:
    ab = decode(torch.randn(1, 313, 2, 2).bfloat16(), BINS, how)
    assert ab.dtype == torch.float32
    assert np.isfinite(ab.numpy()).all()
