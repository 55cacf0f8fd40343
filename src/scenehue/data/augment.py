"""Changes that make more of each training photo: geometry and lightness.

Hue and saturation are what is learnt, so they never change.
"""

from __future__ import annotations

import albumentations as A
import cv2
import numpy as np
import numpy.typing as npt

from scenehue.params import AugmentParams


def training_geometry(params: AugmentParams, size: int) -> A.Compose:
    """A random crop of random scale, flipped and turned, on RGB pixels (and a segmentation map beside them).

    Args:
        params: How much.
        size: Side of the square result, in pixels.
    """
    steps: list[A.BasicTransform] = []
    if params.rotate_degrees:
        steps.append(
            A.Rotate(limit=(-params.rotate_degrees, params.rotate_degrees), border_mode=cv2.BORDER_REFLECT_101, p=0.5)
        )
    steps.append(
        A.RandomResizedCrop(
            (size, size),
            scale=(params.min_crop_area, 1),
            ratio=(3 / 4, 4 / 3),
            interpolation=cv2.INTER_LINEAR,
            mask_interpolation=cv2.INTER_NEAREST_EXACT,
            area_for_downscale="image",
        )
    )
    steps.append(A.HorizontalFlip(p=params.flip))
    return A.Compose(steps)


def training_lightness(params: AugmentParams) -> A.Compose:
    """Other exposure, other contrast, and grain, on the input lightness alone, scaled to 0..1."""
    steps: list[A.BasicTransform] = []
    if params.lightness:
        limit = (-params.lightness, params.lightness)
        steps.append(A.RandomBrightnessContrast(limit, limit, p=0.8))
    if params.noise:
        steps.append(A.GaussNoise(std_range=(0, params.noise / 100), p=0.5))
    return A.Compose(steps)


def validation_geometry(pixels: npt.NDArray[np.uint8], size: int, nearest: bool = False) -> npt.NDArray[np.uint8]:
    """The centred square, always the same, scaled to `size` pixels a side.

    Args:
        pixels: A photo (H, W, 3), or its segmentation map (H, W).
        size: Side of the result.
        nearest: Takes the nearest pixel, as class numbers have no mean.
    """
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[top : top + side, left : left + side]
    interpolation = cv2.INTER_NEAREST_EXACT if nearest else cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (size, size), interpolation=interpolation), dtype=np.uint8)
