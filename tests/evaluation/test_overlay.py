from __future__ import annotations

import numpy as np

from scenehue.evaluation.overlay import COLORS, most_frequent, overlay


def test_each_class_has_a_colour_that_can_be_told_from_the_others():
    colors = COLORS[:182].astype(int)
    distances = np.abs(colors[:, None] - colors[None]).max(-1) + 255 * np.eye(182, dtype=int)
    assert distances.min() >= 4
    assert np.ptp(colors, axis=1).min() > 60, "none is nearly grey, as unlabelled pixels are"


def test_classes_are_tinted_and_unlabelled_pixels_stay_grey():
    photo = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    classes = np.full((4, 6), 255, np.uint8)
    classes[:2] = 7
    drawn = overlay(photo, classes)
    assert np.ptp(drawn[2:].astype(int), axis=-1).max() == 0
    np.testing.assert_allclose(np.ptp(drawn[:2].astype(int), axis=-1), np.ptp(COLORS[7].astype(int)) / 2, atol=1)


def test_the_legend_holds_the_classes_of_most_pixels():
    small, large = np.array([[3, 3, 3, 255]], np.uint8), np.full((30, 40), 9, np.uint8)
    large[:10] = 4
    assert most_frequent([small, large], 2) == [3, 9]
    assert most_frequent([small, large], 9) == [3, 9, 4]
