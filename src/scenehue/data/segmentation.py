"""Segmentation maps: what each pixel of a photo shows, as the numbers of `scenehue.data.coco_classes`."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from scenehue.data.coco_classes import NAMES, UNLABELLED

NUM_CLASSES = len(NAMES)


def decode_map(png: bytes) -> npt.NDArray[np.uint8]:
    """Reads a map as the data set stores it.

    Args:
        png: The file: 8 bits a pixel, grey or with a palette.

    Returns:
        (H, W): class numbers; whatever is none is `UNLABELLED`.
    """
    classes = np.asarray(Image.open(io.BytesIO(png), formats=["PNG"]), dtype=np.uint8)
    return np.where(classes < NUM_CLASSES, classes, np.uint8(UNLABELLED))
