"""Opens photo files and walks through their pages, with everything else that they carry.

What a file is, its content says, not its name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from scenehue.errors import PhotoError
from scenehue.inference.deep import read_deep_png, read_deep_tiff
from scenehue.inference.formats import AVIF, HEIC, JPEG, PNG, TIFF, WEBP, Format
from scenehue.inference.metadata import Metadata, orientation, read_metadata
from scenehue.inference.page import Page, cmyk_to_srgb, page_of, pillow_pixels
from scenehue.inference.spaces import Pixels, srgb_profile

_ANIMATED = (
    AvifImagePlugin.AvifImageFile,
    GifImagePlugin.GifImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
)
MAX_MEGAPIXELS = 200.0
"""Bigger photos are refused unless a higher limit is given."""
KINDS = "JPEG, PNG, TIFF, WebP, AVIF, HEIC, BMP, GIF or PNM"


@dataclass
class Photo:
    """An opened photo file; its pixels are decoded page by page, when asked for.

    Attributes:
        name: The file as the user knows it.
        original_format: What it is.
        format: In which the result is written unless another is asked for.
        count: Number of pages.
        width: Of the first page.
        height: Of the first page.
        deep: The first page has more than 8 bits a channel.
        metadata: What else it carries.
        compression: Lossless compression of a TIFF: ``none``, ``lzw``, or ``deflate`` for all others.
        decoder: What reads the pixels.
    """

    name: str
    original_format: str
    format: Format
    count: int
    width: int
    height: int
    deep: bool
    metadata: Metadata
    compression: str
    decoder: _Decoder

    def pages(self) -> Iterator[Page]:
        """Decodes the pages one after the other.

        Raises:
            PhotoError: A page is truncated or damaged, or is of a kind that cannot be coloured.
        """
        for index in range(self.count):
            with _damage(self.name):
                page = self.decoder.page(index)
            yield page

    @property
    def notes(self) -> list[str]:
        """Sentences on what could not be carried over so far."""
        return self.decoder.notes

    def note(self, sentence: str) -> None:
        """Says what is lost, once."""
        self.decoder.note(sentence)


@contextlib.contextmanager
def _damage(name: str) -> Iterator[None]:
    """Turns what decoders raise on damaged files, which is almost anything, into a `PhotoError`."""
    try:
        yield
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoError(name, "does not fit into memory") from error
    except Exception as error:
        raise PhotoError(name, f"truncated or damaged ({error or type(error).__name__})") from error


def open_photo(stream: BinaryIO, name: str, max_megapixels: float = MAX_MEGAPIXELS) -> Photo:
    """Opens a photo file and reads what it says about itself, without decoding it.

    Args:
        stream: The file, seekable; it must stay open as long as pages are asked for.
        name: The file as the user knows it, for error messages.
        max_megapixels: Refuses bigger photos.

    Returns:
        The opened file.

    Raises:
        PhotoError: It is empty, no photo, truncated, animated, over the limit, or needs an extra that is not installed.
    """
    start = stream.read(64)
    stream.seek(0)
    with _damage(name):
        image, kind = _open(stream, start, name)
        frames = getattr(image, "n_frames", 1) if kind is not JPEG else 1
    if frames > 1 and isinstance(image, _ANIMATED):
        raise PhotoError(name, f"animated ({frames} frames); only still photos can be coloured")
    check_megapixels(name, image.width, image.height, max_megapixels)
    with _damage(name):
        decoder = _Decoder(image, stream, name, frames if kind is TIFF else 1, max_megapixels)
        compression = {"raw": "none", "tiff_lzw": "lzw"}.get(image.info.get("compression", ""), "deflate")
        return Photo(
            name=name,
            original_format=image.format or "?",
            format=kind,
            count=decoder.count,
            width=image.width,
            height=image.height,
            deep=decoder.is_deep() or image.mode in ("I", "F"),
            metadata=decoder.metadata,
            compression=compression,
            decoder=decoder,
        )


def check_megapixels(name: str, width: int, height: int, limit: float) -> None:
    """Refuses what is too large, before it is decoded.

    Raises:
        PhotoError: The photo has more pixels than `limit` millions.
    """
    if width * height > limit * 1e6:
        size = f"{width} x {height} = {width * height / 1e6:.0f} megapixels"
        raise PhotoError(name, f"{size}, more than the limit of {limit:g}; raise it with --max-megapixels")


def _open(stream: BinaryIO, start: bytes, name: str) -> tuple[ImageFile, Format]:
    # The readers themselves and not Image.open, which brings many exotic formats and a limit of pixels of its own.
    if not start:
        raise PhotoError(name, "empty file")
    if start.startswith(b"\xff\xd8\xff"):
        image: ImageFile = JpegImagePlugin.JpegImageFile(stream)
        return image, JPEG
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImagePlugin.PngImageFile(stream), PNG
    if start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return _open_tiff(stream, name), TIFF
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile(stream), WEBP
    if start[4:8] == b"ftyp":
        brands = start[8:64]
        if b"avif" in brands or b"avis" in brands:
            return AvifImagePlugin.AvifImageFile(stream), AVIF
        if any(brand in brands for brand in (b"heic", b"heix", b"mif1", b"hevc", b"msf1", b"heif")):
            return _open_heic(stream, name), HEIC
        raise PhotoError(name, "a film, not a photo")
    if start.startswith(b"BM"):
        return BmpImagePlugin.BmpImageFile(stream), PNG
    if start.startswith((b"GIF87a", b"GIF89a")):
        return GifImagePlugin.GifImageFile(stream), PNG
    if start[:1] == b"P" and start[1:2] in b"123456" and start[2:3].isspace():
        return PpmImagePlugin.PpmImageFile(stream), PNG
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        raise PhotoError(name, "a web page or another text in angle brackets, not a photo, whatever its name says")
    raise PhotoError(name, f"no photo: not {KINDS}, whatever its name says")


def _open_tiff(stream: BinaryIO, name: str) -> ImageFile:
    try:
        return TiffImagePlugin.TiffImageFile(stream)
    except SyntaxError as error:
        if "unknown pixel mode" not in str(error):
            raise
        raise PhotoError(
            name, "a TIFF whose kind of pixels cannot be read; convert it to 8 bits a channel, or 16 in grey or RGB"
        ) from error


def _open_heic(stream: BinaryIO, name: str) -> ImageFile:
    try:
        from pillow_heif import HeifImageFile
    except ModuleNotFoundError as error:
        raise PhotoError(name, "HEIC needs one more package: pip install 'scenehue[heic]'") from error
    return HeifImageFile(stream)  # type: ignore[no-untyped-call]


class _Decoder:
    """Decodes the pages of one file."""

    def __init__(self, image: ImageFile, stream: BinaryIO, name: str, count: int, max_megapixels: float) -> None:
        self.image, self.stream, self.name, self.count = image, stream, name, count
        self.max_megapixels = max_megapixels
        self.notes: list[str] = []
        self.metadata = read_metadata(image, stream, self.note)
        if "mp" in image.info or (count == 1 and image.format == "HEIF" and getattr(image, "n_frames", 1) > 1):
            self.note("further pictures inside the file are left out")
        if image.info.get("bit_depth", 8) > 8:
            self.note(f"{image.info['bit_depth']} bits a channel are read as 8")

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def is_deep(self) -> bool:
        """Whether Pillow would cut a channel of the current page to 8 bits, or holds it in 16."""
        if isinstance(self.image, PngImagePlugin.PngImageFile):
            self.stream.seek(24)
            return self.stream.read(1) == b"\x10"
        if isinstance(self.image, TiffImagePlugin.TiffImageFile):
            return max(self.image.tag_v2.get(258, (1,))) > 8 and self.image.mode not in ("I", "F")
        return self.image.mode.startswith("I;16")

    def page(self, index: int) -> Page:
        image = self.image
        if self.count > 1:
            image.seek(index)
            check_megapixels(self.name, image.width, image.height, self.max_megapixels)
        metadata = read_metadata(image, self.stream, self.note) if self.count > 1 else None
        turned = 1 if isinstance(image, TiffImagePlugin.TiffImageFile) else orientation(self.metadata)
        profile = image.info.get("icc_profile")
        if isinstance(image, TiffImagePlugin.TiffImageFile):  # whose `info` still holds the page before
            profile = image.tag_v2.get(34675)
        alpha: Pixels | None = None
        if self.is_deep() and isinstance(image, PngImagePlugin.PngImageFile):
            pixels, alpha = read_deep_png(self.stream)
        elif self.is_deep() and isinstance(image, TiffImagePlugin.TiffImageFile):
            pixels, alpha = read_deep_tiff(self.stream, index)
            turned = image.tag_v2.get(274, 1)
        else:
            image.load()
            pixels, alpha, profile = pillow_pixels(image, profile)
        if pixels.ndim == 3 and pixels.shape[2] == 4:
            self.note("16-bit CMYK is converted at 8 bits")
            pixels, profile = (
                cmyk_to_srgb(Image.fromarray((pixels >> 8).astype(np.uint8), "CMYK"), profile),
                srgb_profile(),
            )
        page = page_of(pixels, alpha, turned, profile, self.note)
        page.metadata = metadata
        return page
