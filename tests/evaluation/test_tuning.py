from pathlib import Path

import numpy as np
import pytest

from scenehue.color.lab import rgb_to_lab
from scenehue.data.decode import decode_rgb
from scenehue.evaluation.colorfulness import colorfulness
from scenehue.evaluation.metrics import psnr
from scenehue.evaluation.tuning import VIVIDNESS, tune_reg, tune_vivid
from scenehue.inference.model import Decoder
from scenehue.inference.predict import predict

SAMPLE = Path(__file__).parents[2] / "data/sample"
SIZE = 64
PHOTOS = np.stack([decode_rgb(path.read_bytes())[::2, ::2][:SIZE, :SIZE] for path in sorted(SAMPLE.glob("*.jpg"))[:6]])
TRUTHS = rgb_to_lab(PHOTOS)
AB = TRUTHS[..., 1:]
STRAY = AB + np.float32([8, -8])


class Seer:
    """Predicts what it is told to for `PHOTOS[0]`."""

    size, multiple, scales = SIZE, 32, (1.0,)

    def __init__(self, ab: np.ndarray) -> None:
        self.ab = np.moveaxis(ab, -1, 0)[None]

    def chroma(self, lightness: np.ndarray, decoder: Decoder) -> np.ndarray:
        return decoder.saturation * self.ab


@pytest.mark.parametrize(("factor", "wanted"), [(1.0, 1.0), (2.0, 0.5), (0.8, 1.25), (0.2, 1.5), (-1.0, 0.0)])
def test_reg_is_made_duller_or_bolder_as_far_as_it_helps(factor: float, wanted: float) -> None:
    assert tune_reg(TRUTHS, factor * AB)["saturation"] == pytest.approx(wanted, abs=0.02)


def test_reg_is_set_where_prediction_is_best() -> None:
    """The oracle is a search by hand through predict() itself."""
    seer, photo = Seer(1.5 * STRAY[0]), PHOTOS[0]
    tried = {
        step / 20: psnr(photo, predict(seer, photo, decoder=Decoder("reg", saturation=step / 20))) for step in range(21)
    }
    assert tune_reg(TRUTHS[:1], 1.5 * STRAY[:1])["saturation"] == pytest.approx(
        max(tried, key=tried.__getitem__), abs=0.05
    )


@pytest.mark.parametrize("factor", [0.5, 1.6])
def test_vivid_is_nearly_as_colorful_as_the_truth_and_as_near_to_it_as_may_be(factor: float) -> None:
    vivid = tune_vivid(TRUTHS, {0.4: factor * STRAY, 1.0: factor * AB, 0.7: factor * STRAY})
    assert vivid["temperature"] == 1.0
    assert vivid["saturation"] == pytest.approx(VIVIDNESS / factor, rel=0.05)

    result = predict(Seer(factor * AB[0]), PHOTOS[0], decoder=Decoder("vivid", **vivid))
    assert colorfulness(result) == pytest.approx(VIVIDNESS * colorfulness(PHOTOS[0]), rel=0.05)


def test_vivid_gives_up_where_there_is_no_chroma() -> None:
    assert tune_vivid(TRUTHS, {1.0: 0 * AB})["saturation"] == 4.0


@pytest.mark.parametrize(("stray", "wanted"), [(8.02, 1.0), (9.0, 0.4)])
def test_of_temperatures_that_are_as_good_the_warmest_is_taken(stray: float, wanted: float) -> None:
    vivid = tune_vivid(TRUTHS, {0.4: STRAY, 1.0: AB + np.float32([stray, -stray])})
    assert vivid["temperature"] == wanted
