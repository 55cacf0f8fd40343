import numpy as np
import pytest

from scenehue.color.bins import NUM_BINS, STEP, ab_bins
from scenehue.color.lab import rgb_to_lab


def test_there_are_exactly_the_published_313() -> None:
    bins = ab_bins()
    assert bins.shape == (NUM_BINS, 2) == (313, 2)
    assert len(np.unique(bins, axis=0)) == 313


def test_they_are_the_published_ones_in_their_order() -> None:
    # Of each a, from -90 to 100, the lowest and the highest b in the authors' list.
    lowest = [50, 20, 0, -20, -30, -40, -50, -50, -60, -70, -80, -80, -90, -100, -100, -110, -110, -110, -110, -90]
    highest = [90, 90, 90, 90, 100, 100, 100, 100, 100, 100, 90, 90, 90, 90, 80, 80, 80, 70, 70, 0]
    published = [
        [a, b]
        for a, low, high in zip(range(-90, 101, STEP), lowest, highest, strict=True)
        for b in range(low, high + 1, STEP)
    ]
    assert ab_bins().tolist() == published


def test_every_colour_of_srgb_rounds_to_a_bin() -> None:
    levels = np.arange(0, 256, 3, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    nearest = np.unique(np.rint(rgb_to_lab(cube)[:, 1:] / STEP) * STEP, axis=0)
    known = {tuple(row) for row in ab_bins().tolist()}
    assert {tuple(row) for row in nearest.tolist()} <= known


def test_nobody_can_change_them() -> None:
    with pytest.raises(ValueError, match="read-only"):
        ab_bins()[0, 0] = 1
