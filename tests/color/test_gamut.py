import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import lab2xyz, rgb2lab

from scenehue.color.gamut import fit_gamut, fitted_linear, gamut_scale
from scenehue.color.lab import lab_to_rgb, rgb_to_lab, to_uint8

# Linear sRGB of XYZ, IEC 61966-2-1, as an oracle that shares nothing with ours.
XYZ_TO_RGB = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.969266, 1.8760108, 0.041556], [0.0556434, -0.2040259, 1.0572252]]
)


def excess(lab):
    linear = lab2xyz(lab) @ XYZ_TO_RGB.T
    return np.maximum(linear.max(axis=-1) - 1, -linear.min(axis=-1))


def random_lab(count=20000, spread=50):
    generator = np.random.default_rng(0)
    planes = [generator.uniform(0, 100, count), *generator.normal(0, spread, (2, count))]
    return np.stack(planes, axis=-1).astype(np.float32)


def test_fitted_colours_are_in_gamut_and_keep_lightness_and_hue():
    lab = random_lab()
    fitted = fit_gamut(lab)
    assert excess(fitted).max() < 1e-3
    assert np.array_equal(fitted[:, 0], lab[:, 0])
    cross = fitted[:, 1] * lab[:, 2] - fitted[:, 2] * lab[:, 1]
    assert np.abs(cross).max() < 1e-2
    assert (np.hypot(*fitted[:, 1:].T) <= np.hypot(*lab[:, 1:].T) + 1e-4).all()


def test_no_chroma_is_given_away():
    lab = random_lab()
    fitted = fit_gamut(lab)
    cut = np.abs(fitted - lab).max(axis=-1) > 1e-4
    more = fitted[cut] * [1, 1.02, 1.02] + [0, 1e-9, 0]
    assert 0.4 < cut.mean() < 0.9
    assert (excess(more) > 0).mean() > 0.99


def test_clipping_to_eight_bits_hardly_moves_lightness():
    lab = random_lab(spread=80)
    lightness = rgb2lab(to_uint8(lab_to_rgb(fit_gamut(lab)))[None])[0, :, 0]
    assert np.abs(lightness - lab[:, 0]).max() < 0.3


def test_planes_agree_with_colours():
    lab = random_lab(2000)
    linear = np.clip(fitted_linear(lab.T.copy()), 0, 1)
    expected = lab2xyz(fit_gamut(lab)) @ XYZ_TO_RGB.T
    assert np.abs(linear.T - expected).max() < 0.01


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_colours_of_srgb_are_left_alone(rgb):
    lab = rgb_to_lab(np.array([rgb], np.uint8))
    assert np.array_equal(fit_gamut(lab), lab)


def test_scale_at_the_corners():
    lab = np.array([[0, 50, 10], [100, -50, 10], [50, 0, 0], [32.3, 79.2, -107.9]], np.float32)
    scale = gamut_scale(lab.T.copy())
    assert scale[:2].max() < 0.01
    assert scale[2] == 1
    assert scale[3] > 0.98
