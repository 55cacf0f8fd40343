from pathlib import Path

import numpy as np
import pytest

from scenehue.color.lab import rgb_to_lab
from scenehue.data.augment import validation_geometry
from scenehue.data.decode import decode_rgb
from scenehue.evaluation.colorfulness import colorfulness
from scenehue.evaluation.metrics import psnr
from scenehue.evaluation.tuning import VIVIDNESS
from scenehue.inference.model import Decoder
from scenehue.inference.predict import predict
from scenehue.training.decoders import set_decoders

NAMES = ("koala.jpg", "taj-mahal.jpg", "scarlet-macaw.jpg")


class Photos:
    """Photographs that ship with the project, as a stored data set gives them."""

    def __init__(self, folder: Path, names: tuple[str, ...] = NAMES) -> None:
        self.files = [(folder / name).read_bytes() for name in names]
        self.ids = list(names)

    def __len__(self) -> int:
        return len(self.files)

    def encoded(self, index: int) -> bytes:
        return self.files[index]


class Recaller:
    """Knows the squares that it is asked about, and says ``amount`` times their chroma, more at a finer scale."""

    size, multiple = 64, 32

    def __init__(self, squares: list[np.ndarray], amount: float, scales: tuple[float, ...]) -> None:
        self.squares, self.amount, self.scales = squares, amount, scales

    def chroma(self, lightness: np.ndarray, decoder: Decoder) -> np.ndarray:
        side = lightness.shape[1]
        known = np.stack([rgb_to_lab(validation_geometry(square, side)) for square in self.squares])
        (which,) = np.nonzero([[np.abs(plane - lab[..., 0]).mean() < 3 for lab in known] for plane in lightness])[1:]
        ab = np.moveaxis(known[which][..., 1:], -1, 1)
        return np.float32(self.amount * side / self.size * decoder.saturation) * ab


@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0, 1.5), (2.0, 1.0)])
def test_decoders_are_set_for_what_predict_makes_of_all_scales(sample_folder: Path, scales: tuple[float, ...]) -> None:
    """The oracle is `predict` on the very squares."""
    photos = Photos(sample_folder)
    side = round(64 * max(scales))
    squares = [validation_geometry(decode_rgb(file), side) for file in photos.files]
    model = Recaller(squares, 1.6, scales)
    decoders = set_decoders(model, photos, reg=True, vivid=True)
    assert decoders["reg"]["saturation"] == pytest.approx(1 / (1.6 * np.mean(scales)), abs=0.03)

    def mean(decoder: Decoder, of: object) -> float:
        return float(np.mean([of(square, predict(model, square, decoder=decoder)) for square in squares]))

    tuned = mean(Decoder("reg", **decoders["reg"]), psnr)
    for factor in (0.8, 1.25):
        assert tuned > mean(Decoder("reg", saturation=factor * decoders["reg"]["saturation"]), psnr)
    shown = mean(Decoder("annealed", **decoders["vivid"]), lambda _, picture: colorfulness(picture))
    assert shown == pytest.approx(VIVIDNESS * np.mean([colorfulness(square) for square in squares]), rel=0.05)


def test_nothing_is_set_that_is_not_wanted_or_cannot_be(sample_folder: Path) -> None:
    nobody = Photos(sample_folder, ())
    assert set_decoders(Recaller([], 1, (1.0,)), nobody, reg=True, vivid=True) == {}
    squares = [validation_geometry(decode_rgb(file), 64) for file in Photos(sample_folder).files]
    assert set(set_decoders(Recaller(squares, 1, (1.0,)), Photos(sample_folder), reg=False, vivid=True)) == {"vivid"}
