"""Classes drawn over a photograph in colours of their own, and the legend that names them."""

from __future__ import annotations

import colorsys
from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from scenehue.color.lab import lightness
from scenehue.data.coco_classes import NAMES, UNLABELLED

UInt8 = npt.NDArray[np.uint8]


def _colors() -> UInt8:
    """A colour for each class: successive hues lie a golden section of the circle apart."""
    colors = np.full((256, 3), 128, np.uint8)
    for number in range(len(NAMES)):
        hue, strength = number * 0.618034 % 1, (1.0, 0.8, 0.6, 0.9, 0.7)[number % 5]
        colors[number] = np.multiply(colorsys.hsv_to_rgb(hue, strength, 1.15 - 0.3 * strength), 255).clip(0, 255)
    return colors


COLORS = _colors()
"""(256, 3) RGB by class number."""


def overlay(photo: UInt8, classes: UInt8) -> UInt8:
    """A photograph in grey, with each labelled pixel half in the colour of its class.

    Args:
        photo: (H, W, 3) sRGB.
        classes: (H, W): class numbers.

    Returns:
        (H, W, 3).
    """
    grey_HW1 = np.clip(lightness(photo) * 2.55, 0, 255)[..., None]
    mixed = np.where(classes[..., None] == UNLABELLED, grey_HW1, (grey_HW1 + COLORS[classes]) / 2)
    return mixed.astype(np.uint8)


def most_frequent(maps: Iterable[UInt8], num: int) -> list[int]:
    """The classes that cover most pixels of some maps, the most frequent first; unlabelled is none of them."""
    pixels: Counter[int] = Counter()
    for classes in maps:
        numbers, counts = np.unique(classes, return_counts=True)
        # Each map counts alike, however large it is.
        pixels.update({int(n): count / classes.size for n, count in zip(numbers, counts, strict=True)})
    del pixels[UNLABELLED]
    return [number for number, _ in pixels.most_common(num)]
