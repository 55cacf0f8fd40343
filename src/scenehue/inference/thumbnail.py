"""The small picture inside an EXIF block, which is what file managers show of a photograph."""

from __future__ import annotations

import contextlib
import io

import numpy as np
from PIL import ExifTags, Image, ImageOps

from scenehue.inference.metadata import parse_exif
from scenehue.inference.spaces import Pixels

QUALITIES = (90, 80, 65, 50, 35, 20)
LARGEST = 1024
"""Pixels a side; what says that it is larger is no thumbnail, and may be there to fill the memory."""


def recolored(exif: bytes, picture: Pixels) -> bytes:
    """An EXIF block whose thumbnail, if it has one, is made anew from the coloured picture.

    The new thumbnail takes the old one's place and is never longer, so that nothing else in the block moves. A block
    without a thumbnail that can be read stays as it is.

    Args:
        exif: The block, from its TIFF header on (EXIF 2.32, section 4.5).
        picture: (H, W, 3) as it is stored, like the thumbnail not yet turned upright.

    Returns:
        A block of the same length.

    Example:
        >>> recolored(b"no block", np.zeros((4, 4, 3), np.uint8))
        b'no block'
    """
    directory: dict[int, object] = {}
    with contextlib.suppress(Exception):  # what Pillow raises on broken directories is not said
        directory = parse_exif(exif).get_ifd(ExifTags.IFD.IFD1)
    place, room = (directory.get(tag) for tag in (ExifTags.Base.JpegIFOffset, ExifTags.Base.JpegIFByteCount))
    if not (isinstance(place, int) and isinstance(room, int) and 0 < place < place + room <= len(exif)):
        return exif
    try:
        with Image.open(io.BytesIO(exif[place : place + room]), formats=["JPEG"]) as old:
            new = _jpeg(picture, old.size, room) if max(old.size) <= LARGEST else None
    except OSError:
        return exif
    # A reader stops at the end that a JPEG marks itself, so the rest of the old one's room may be anything.
    return exif if new is None else exif[:place] + new.ljust(room, b"\0") + exif[place + room :]


def _jpeg(picture: Pixels, size: tuple[int, int], room: int) -> bytes | None:
    """A picture as a small JPEG that fits into so many bytes; None if it does not."""
    small = picture[:: max(1, len(picture) // (4 * size[1])), :: max(1, picture.shape[1] // (4 * size[0]))]
    small = small if small.dtype == np.uint8 else (small >> 8).astype(np.uint8)
    thumbnail = ImageOps.pad(Image.fromarray(np.ascontiguousarray(small)), size)
    for quality in QUALITIES:
        file = io.BytesIO()
        thumbnail.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= room:
            return file.getvalue()
    return None
