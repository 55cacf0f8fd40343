import numpy as np
import pytest
from skimage import color as oracle

from scenehue.color import lab

LEVELS = np.arange(0, 256, 5, dtype=np.uint8)
CUBE = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS, indexing="ij"), axis=-1).reshape(-1, 3)
"""Colours all over the sRGB cube, its corners included."""


def test_agrees_with_scikit_image_over_the_srgb_cube() -> None:
    np.testing.assert_allclose(lab.rgb_to_lab(CUBE), oracle.rgb2lab(CUBE), atol=0.01)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_the_type_of_the_pixels_does_not_matter(dtype: type) -> None:
    scale = 257 if dtype == np.uint16 else 1 / 255
    converted = (CUBE * np.array(scale)).astype(dtype)
    np.testing.assert_allclose(lab.rgb_to_lab(converted), lab.rgb_to_lab(CUBE), atol=2e-3)


def test_sixteen_bits_keep_what_eight_cannot_hold() -> None:
    greys = np.repeat(np.arange(30000, 30100, dtype=np.uint16)[:, None], 3, axis=1)
    assert (np.diff(lab.lightness(greys)) > 0).all()


def test_lightness_alone_equals_the_first_channel() -> None:
    np.testing.assert_allclose(lab.lightness(CUBE), lab.rgb_to_lab(CUBE)[:, 0], atol=1e-4)


def test_there_and_back_is_the_same_photo() -> None:
    np.testing.assert_array_equal(lab.to_uint8(lab.lab_to_rgb(lab.rgb_to_lab(CUBE))), CUBE)


def test_back_agrees_with_scikit_image() -> None:
    colors = oracle.rgb2lab(CUBE)
    np.testing.assert_allclose(lab.lab_to_rgb(colors.astype(np.float32)), oracle.lab2rgb(colors), atol=1e-3)


def test_greys_have_no_chroma_and_ends_are_black_and_white() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    converted = lab.rgb_to_lab(greys)
    assert np.abs(converted[:, 1:]).max() < 0.01
    assert converted[[0, -1], 0] == pytest.approx([0, 100], abs=1e-3)
