"""What a teacher sees of a photo: squashed to a square, then its centre, as Places365 classifiers are fed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

Photo = npt.NDArray[np.uint8]


def square_side(side: int) -> int:
    """Side of the square from whose centre a view of `side` pixels is cut."""
    return round(side * 256 / 224)


def squash(photo: Photo, side: int = 224) -> Photo:
    """Scales a photo to the square from which its view is cut. Squashing it twice changes nothing.

    Args:
        photo: (H, W, 3) sRGB.
        side: Side of the view, in pixels.

    Returns:
        (S, S, 3) with S = `square_side` of `side`.

    Example:
        >>> squash(np.zeros((30, 500, 3), np.uint8)).shape
        (256, 256, 3)
    """
    square = square_side(side)
    return np.asarray(Image.fromarray(photo).resize((square, square), Image.Resampling.BILINEAR))


def central_views(photos: Iterable[Photo], side: int = 224) -> npt.NDArray[np.float32]:
    """Prepares photos for a classifier.

    Args:
        photos: Each (H, W, 3) sRGB, of any size.
        side: Side of the view, in pixels.

    Returns:
        (N, 3, side, side), RGB in 0..1.
    """
    squares = np.stack([squash(photo, side) for photo in photos])
    margin = (squares.shape[1] - side) // 2
    crops = squares[:, margin : margin + side, margin : margin + side].transpose(0, 3, 1, 2)
    return np.ascontiguousarray(crops, dtype=np.float32) / np.float32(255)
