"""The small picture inside an EXIF block, which is what file managers show of a photograph."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, ImageOps

from scenehue.inference.spaces import Pixels

OFFSET, LENGTH = 0x0201, 0x0202
"""Tags of the second directory: where the thumbnail's JPEG lies in the block, and how many bytes it has."""
QUALITIES = (90, 80, 65, 50, 35, 20)


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
    try:
        place, room, length_at, order = _find(exif)
        with Image.open(io.BytesIO(exif[place : place + room]), formats=["JPEG"]) as old:
            size = old.size
    except (struct.error, KeyError, ValueError, OSError):
        return exif
    new = _jpeg(picture, size, room)
    if new is None:
        return exif
    block = bytearray(exif)
    block[place : place + room] = new.ljust(room, b"\0")
    struct.pack_into(order + "I", block, length_at, len(new))
    return bytes(block)


def _find(exif: bytes) -> tuple[int, int, int, str]:
    """Where the thumbnail is, how long, where its length is written, and the order of bytes."""
    order = {b"II*\0": "<", b"MM\0*": ">"}[exif[:4]]
    (first,) = struct.unpack_from(order + "I", exif, 4)
    (count,) = struct.unpack_from(order + "H", exif, first)
    (second,) = struct.unpack_from(order + "I", exif, first + 2 + 12 * count)
    if not second:
        raise KeyError("the block has one directory only")
    (count,) = struct.unpack_from(order + "H", exif, second)
    values = {}
    for entry in range(second + 2, second + 2 + 12 * count, 12):
        tag, kind, _, value = struct.unpack_from(order + "HHII", exif, entry)
        if kind == 4:  # a 32-bit number, of which the value itself is in the entry
            values[tag] = value, entry + 8
    (place, _), (room, length_at) = values[OFFSET], values[LENGTH]
    if not 0 < place < place + room <= len(exif):
        raise ValueError("the thumbnail lies outside of the block")
    return place, room, length_at, order


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
