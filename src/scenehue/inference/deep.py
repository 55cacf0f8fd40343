"""16 bits a channel, which Pillow cannot hold: PNG and TIFF through imagecodecs and tifffile."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]


def split_alpha(channels: Pixels) -> tuple[Pixels, Pixels | None]:
    """(H, W), (H, W, 2), (H, W, 3) or (H, W, 4) as grey or colour, and alpha if there is one."""
    if channels.ndim == 2 or channels.shape[2] == 3:
        return channels, None
    colors = channels[..., 0] if channels.shape[2] == 2 else channels[..., :3]
    return np.ascontiguousarray(colors), np.ascontiguousarray(channels[..., -1])


def read_deep_png(stream: BinaryIO) -> tuple[Pixels, Pixels | None]:
    """Pixels and alpha of a 16-bit PNG."""
    import imagecodecs

    stream.seek(0)
    return split_alpha(imagecodecs.png_decode(stream.read()))


def read_deep_tiff(stream: BinaryIO, index: int) -> tuple[Pixels, Pixels | None]:
    """Pixels, (H, W, 4) for CMYK, and alpha of one page of a TIFF with 9 to 16 bits a channel."""
    import tifffile

    stream.seek(0)
    with tifffile.TiffFile(stream) as tiff:
        page: Any = tiff.pages[index]
        pixels = page.asarray()
        bits, photometric, extra = int(page.bitspersample), page.photometric, tuple(page.extrasamples)
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and pixels.ndim == 3:
            pixels = np.ascontiguousarray(np.moveaxis(pixels, 0, -1))
    if pixels.dtype != np.uint16 or pixels.ndim not in (2, 3):
        raise ValueError(f"pixels of type {pixels.dtype} in {pixels.ndim} dimensions are not supported")
    if bits < 16:
        pixels = (pixels.astype(np.float32) * np.float32(65535 / (2**bits - 1))).astype(np.uint16)
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        pixels = 65535 - pixels
    colors = {tifffile.PHOTOMETRIC.RGB: 3, tifffile.PHOTOMETRIC.SEPARATED: 4}.get(photometric, 1)
    if pixels.ndim == 2:
        return pixels, None
    alpha = np.ascontiguousarray(pixels[..., colors]) if extra and int(extra[0]) in (1, 2) else None
    pixels = np.ascontiguousarray(pixels[..., 0] if colors == 1 else pixels[..., :colors])
    if alpha is not None and int(extra[0]) == 1:  # colours are stored multiplied by alpha
        share = np.maximum(alpha, 1)[(...,) + (None,) * (pixels.ndim - 2)] / np.float32(65535)
        pixels = np.minimum(pixels / share, 65535).astype(np.uint16)
    return pixels, alpha


def png_bytes(pixels: Pixels, chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A PNG file.

    Args:
        pixels: (H, W, 3) or (H, W, 4).
        chunks: Names and contents of further chunks, put right behind the header.
    """
    import imagecodecs

    file = imagecodecs.png_encode(np.ascontiguousarray(pixels))
    header_end = 8 + 25
    return b"".join([file[:header_end], *(_chunk(*chunk) for chunk in chunks), file[header_end:]])


def _chunk(name: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")
