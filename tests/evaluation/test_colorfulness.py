from __future__ import annotations

import math

import numpy as np
import pytest

from scenehue.evaluation.colorfulness import colorfulness, colorfulness_ddcolor


def picture(*colors: tuple[int, int, int]) -> np.ndarray:
    return np.array([colors], np.uint8)


def test_one_colour_has_means_and_no_deviations():
    # rg = 255, yb = 127.5
    assert colorfulness(picture((255, 0, 0))) == pytest.approx(0.3 * math.hypot(255, 127.5))
    assert colorfulness_ddcolor(picture((255, 0, 0))) == pytest.approx(0.3 * math.hypot(255, 127.5))


def test_red_beside_green_by_hand():
    # rg = 255 and -255: deviation 255, mean 0. yb = 127.5 twice: deviation 0, mean 127.5.
    pair = picture((255, 0, 0), (0, 255, 0))
    assert colorfulness(pair) == pytest.approx(255 + 0.3 * 127.5)
    # |rg| = 255 twice: deviation 0, mean 255.
    assert colorfulness_ddcolor(pair) == pytest.approx(0.3 * math.hypot(255, 127.5))


def test_blue_beside_yellow_by_hand():
    # rg = 0 twice. yb = -255 and 255.
    pair = picture((0, 0, 255), (255, 255, 0))
    assert colorfulness(pair) == pytest.approx(255)
    assert colorfulness_ddcolor(pair) == pytest.approx(0.3 * 255)


def test_half_steps_of_yellow_blue_are_not_rounded():
    # rg = 1, yb = 0.5 - 0 and rg = 0, yb = 0: deviations 0.5 and 0.25, means 0.5 and 0.25.
    expected = math.hypot(0.5, 0.25) + 0.3 * math.hypot(0.5, 0.25)
    assert colorfulness(picture((1, 0, 0), (0, 0, 0))) == pytest.approx(expected)


def test_the_formula_written_out(picture_pair):
    for rgb in picture_pair:
        red, green, blue = rgb.astype(np.float64).reshape(-1, 3).T
        rg, yb = red - green, (red + green) / 2 - blue
        signed = math.sqrt(rg.var() + yb.var()) + 0.3 * math.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
        rg, yb = abs(rg), abs(yb)
        absolute = math.sqrt(rg.var() + yb.var()) + 0.3 * math.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
        assert colorfulness(rgb) == pytest.approx(signed)
        assert colorfulness_ddcolor(rgb) == pytest.approx(absolute)
        assert absolute < signed
