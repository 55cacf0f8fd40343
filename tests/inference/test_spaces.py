import io
import struct

import imagecodecs
import numpy as np
import pytest
from PIL import ImageCms

from inference.files import ADOBE_RGB, GREY_GAMMA, picture
from scenehue.color.lab import lightness, linear_rgb
from scenehue.inference.spaces import SRGB, SRGB_GREY, CmsSpace, _curve, space_of, srgb_profile


def by_littlecms(image, source, target):
    profiles = [ImageCms.ImageCmsProfile(io.BytesIO(profile)) for profile in (source, target)]
    return np.asarray(ImageCms.profileToProfile(image, *profiles, renderingIntent=1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_srgb_comes_back_as_it_went(dtype):
    numbers = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (500, 3)).astype(dtype)
    back = SRGB.encode(linear_rgb(numbers).T.copy(), np.dtype(dtype)).T
    assert np.abs(back.astype(int) - numbers).max() <= (0 if dtype == np.uint8 else 1)
    assert np.allclose(SRGB.lightness(numbers), lightness(numbers), atol=1e-3)


def test_profiles_that_say_srgb_are_srgb():
    assert space_of(None, 3) is SRGB
    assert space_of(srgb_profile(), 3) is SRGB
    assert space_of(imagecodecs.cms_profile("srgb"), 3) is SRGB
    assert space_of(None, 1) is SRGB_GREY


def test_wide_gamut_agrees_with_littlecms():
    image = picture(64, 64)
    space = space_of(ADOBE_RGB, 3)
    shown = by_littlecms(image, ADOBE_RGB, srgb_profile())
    inside = ((shown > 2) & (shown < 253)).all(axis=-1)
    assert inside.mean() > 0.3
    assert np.abs(space.lightness(np.asarray(image)) - lightness(shown))[inside].mean() < 0.2
    numbers = space.encode(linear_rgb(shown).reshape(-1, 3).T.copy(), np.dtype(np.uint8)).T.reshape(64, 64, 3)
    assert np.abs(numbers.astype(int) - np.asarray(image))[inside].mean() < 1


def test_lookup_tables_go_through_littlecms():
    pixels = np.asarray(picture(20, 20)) // 3 + 80
    ours, theirs = space_of(ADOBE_RGB, 3), CmsSpace(ADOBE_RGB)
    assert np.abs(ours.lightness(pixels) - theirs.lightness(pixels)).mean() < 0.5
    linear = np.random.default_rng(0).random((3, 50)).astype(np.float32) * 0.8 + 0.1
    difference = ours.encode(linear.copy(), np.dtype(np.uint8)).astype(int) - theirs.encode(linear, np.dtype(np.uint8))
    assert np.abs(difference).max() <= 2


def test_grey_curve():
    numbers = np.array([[0, 64, 128, 255]], np.uint8)
    expected = 116 * np.cbrt((numbers / 255) ** 1.8) - 16
    got = space_of(GREY_GAMMA, 1).lightness(numbers)
    assert np.allclose(got[:, 1:], expected[:, 1:], atol=0.1)
    assert got[0, 0] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("kind", range(5))
def test_parametric_curves_follow_the_specification(kind):
    gamma, a, b, c, d, e, f = 2.4, 0.9, 0.05, 0.2, 0.305, 0.01, 0.02
    given = [[gamma], [gamma, a, b], [gamma, a, b, e], [gamma, a, b, c, d], [gamma, a, b, c, d, e, f]][kind]
    tag = (
        b"para\0\0\0\0"
        + struct.pack(">HH", kind, 0)
        + struct.pack(f">{len(given)}i", *(round(v * 65536) for v in given))
    )
    x = np.linspace(0, 1, 101)
    upper = (a * x + b) ** gamma
    expected = [
        x**gamma,
        upper,
        upper + e,
        np.where(x >= d, upper, c * x),
        np.where(x >= d, upper + e, c * x + f),
    ][kind]
    assert np.allclose(_curve(tag)(x), expected, atol=1e-3)


@pytest.mark.parametrize("cut", [0, 40, 130, 200, 400])
def test_broken_profiles_have_no_meaning(cut):
    assert space_of(b"x" + ADOBE_RGB[:cut], 3) is None


def test_profiles_of_another_kind_of_pixels_have_no_meaning():
    assert space_of(GREY_GAMMA, 3) is None
    assert space_of(ADOBE_RGB, 1) is None
