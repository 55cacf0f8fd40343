import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.color import rgb2lab

from inference.conftest import Tinter
from scenehue.inference import predict as prediction
from scenehue.inference.model import Decoder
from scenehue.inference.predict import (
    chroma_fields,
    join,
    photo_lightness,
    predict,
    predict_ab,
    turned,
    working_shape,
)


@given(st.integers(1, 20000), st.integers(1, 20000), st.integers(32, 1024))
def test_working_shape_is_near_the_size_and_bounded(height, width, size):
    rows, columns = working_shape(height, width, size, 32)
    assert rows % 32 == columns % 32 == 0
    assert abs(min(rows, columns) - size) <= 16
    assert max(rows, columns) <= prediction.MAX_ASPECT * min(rows, columns)
    assert (rows <= columns) == (height <= width) or rows == columns


@pytest.mark.parametrize("depth", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("chroma", [20, 120])
def test_lightness_stays_the_photos_own(photo, tinter, depth, chroma):
    pixels = np.asarray(Image.open(photo).convert("RGB"))
    given_pixels = {np.uint8: pixels, np.uint16: pixels.astype(np.uint16) * 257, np.float32: pixels / 255}[depth]
    tinter.amount = chroma
    colored = predict(tinter, given_pixels)
    assert colored.dtype == np.uint8
    moved = np.abs(rgb2lab(colored)[..., 0] - rgb2lab(pixels)[..., 0])
    assert (moved < 0.5).mean() > 0.999
    assert np.abs(rgb2lab(colored)[..., 1:]).max() > 15


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3), (33, 31)])
def test_smallest_photos(tinter, shape):
    assert predict(tinter, np.full((*shape, 3), 120, np.uint8)).shape == (*shape, 3)
    assert predict(tinter, np.full(shape, 30000, np.uint16)).shape == (*shape, 3)


def test_network_sees_the_working_size(tinter):
    predict(tinter, np.zeros((300, 420), np.uint8), size=96)
    predict(tinter, np.zeros((300, 420), np.uint8))
    assert tinter.batches == [(1, 96, 128), (1, 64, 96)]


def test_colours_of_the_photo_are_not_looked_at(tinter):
    grey = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    assert np.array_equal(predict(tinter, grey), predict(tinter, np.repeat(grey[..., None], 3, axis=-1)))


def test_bands_and_threads_change_nothing(tinter, photo, monkeypatch):
    pixels = np.asarray(Image.open(photo).convert("RGB"))
    whole = predict(tinter, pixels)
    monkeypatch.setattr(prediction, "BAND_PIXELS", 2000)
    monkeypatch.setattr(prediction, "THREADED_PIXELS", 1)
    assert np.abs(predict(tinter, pixels).astype(int) - whole).max() <= 1


def test_saturation_zero_gives_grey(tinter):
    colored = predict(tinter, np.arange(256, dtype=np.uint8).reshape(16, 16), decoder=Decoder(saturation=0.0))
    assert np.ptp(colored.astype(int), axis=-1).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_network_sees_turned_photos_upright(tinter, orientation):
    upright = np.random.default_rng(0).random((64, 96)).astype(np.float32) * 100
    back = {6: 8, 8: 6}.get(orientation, orientation)
    stored = np.ascontiguousarray(turned(upright, back))
    (field,) = chroma_fields(tinter, [stored], orientations=[orientation])
    turned_ab = turned(field.rows(0, stored)[1:], orientation)
    assert np.allclose(np.moveaxis(turned_ab, 0, -1), predict_ab(tinter, upright), atol=1e-3)


def test_sixteen_bits_are_finer_than_eight(tinter):
    ramp = np.linspace(20000, 20600, 4096).astype(np.uint16).reshape(64, 64)
    lightness = photo_lightness(ramp)
    (field,) = chroma_fields(tinter, [lightness])
    colored = np.empty((64, 64, 3), np.uint16)
    join(field, lightness, colored)
    assert np.abs(rgb2lab(colored / 65535)[..., 0] - lightness).max() < 0.02


class Surveyor(Tinter):
    """Says of everything that its chroma is the height at which it is seen, and notes the shapes."""

    def chroma(self, lightness, decoder):
        self.batches.append(lightness.shape)
        count, height, width = lightness.shape
        return np.full((count, 2, height // 4, width // 4), height, np.float32)


def test_what_is_said_at_each_scale_is_averaged():
    model = Surveyor()
    model.scales = (0.5, 1.0, 1.5, 0.51)
    ab = predict_ab(model, np.full((100, 150), 50, np.float32))
    assert model.batches == [(1, 96, 128), (1, 64, 96), (1, 32, 64)], "the largest first, none twice"
    assert ab == pytest.approx(np.full((100, 150, 2), 64), abs=0.01)
    model.batches.clear()
    predict_ab(model, np.full((150, 100), 50, np.float32), size=128)
    assert model.batches == [(1, 288, 192), (1, 192, 128), (1, 96, 64)]


def test_an_average_over_scales_follows_the_photograph_at_its_edges(tinter):
    lightness = np.repeat(np.where(np.arange(200) < 100, 30, 80)[None], 160, axis=0).astype(np.float32)
    plain = predict_ab(tinter, lightness)
    tinter.scales = (1.0, 2.0)
    averaged = predict_ab(tinter, lightness)
    assert np.abs(averaged - plain).mean() < 2, "the same field, seen finer"
