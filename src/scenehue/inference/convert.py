"""One photo file to one coloured photo file."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from scenehue.inference.colored_page import ColoredPage
from scenehue.inference.formats import Format
from scenehue.inference.model import REG, ChromaModel, Decoder
from scenehue.inference.page import Page
from scenehue.inference.photo_file import MAX_MEGAPIXELS, Photo, open_photo
from scenehue.inference.photo_writer import write_photo
from scenehue.inference.predict import chroma_fields, join, photo_lightness, turned
from scenehue.inference.spaces import SRGB, Float32, Pixels
from scenehue.inference.upsample import ChromaField

COMPARE_SIDE = 1600
"""Longest side, in pixels, of each half of a before/after sheet."""


@dataclass(frozen=True)
class Settings:
    """How photos are coloured and written.

    Attributes:
        size: Working size; None for the one that the model was trained for.
        decoder: How the prediction is decoded.
        format: Of the results; None for each original's own.
        quality: 1 to 100, of lossy formats; None for a good one for each.
        max_megapixels: Bigger photos are refused.
        compare: A before/after sheet is written beside each result.
    """

    size: int | None = None
    decoder: Decoder = REG
    format: Format | None = None
    quality: int | None = None
    max_megapixels: float = MAX_MEGAPIXELS
    compare: bool = False


def color_page(model: ChromaModel, page: Page, settings: Settings, deep: bool = True) -> tuple[ColoredPage, Float32]:
    """Colours one picture.

    Args:
        model: The network.
        page: The picture; its pixels are let go of once they have been read.
        settings: Working size and decoder are heeded.
        deep: 16-bit pictures give 16-bit results.

    Returns:
        The coloured picture, and its L.
    """
    lightness = photo_lightness(page.pixels, page.space)
    (field,) = chroma_fields(model, [lightness], settings.size, settings.decoder, [page.orientation])
    return finish_page(page, lightness, field, deep), lightness


def finish_page(page: Page, lightness: Float32, field: ChromaField, deep: bool) -> ColoredPage:
    """Joins a picture with its predicted chroma; its own pixels are let go of."""
    dtype = np.dtype(np.uint16 if deep and page.pixels.dtype == np.uint16 else np.uint8)
    del page.pixels
    colored: Pixels = np.empty((*lightness.shape, 3), dtype)
    join(field, lightness, colored, page.out_space)
    alpha = page.alpha
    if alpha is not None and alpha.dtype != dtype:
        alpha = (alpha >> 8).astype(np.uint8)
    return ColoredPage(colored, alpha, page.profile, page.orientation, page.metadata)


def open_source(stream: BinaryIO, name: str, settings: Settings) -> Photo:
    """Opens a photo within the limit of the settings; see `open_photo`."""
    return open_photo(stream, name, settings.max_megapixels)


def convert(
    model: ChromaModel, photo: Photo, path: Path, kind: Format, settings: Settings, sheet: Path | None = None
) -> None:
    """Colours all pages of an opened photo and writes them.

    Args:
        model: The network.
        photo: The original; it is told what is lost.
        path: The file to write.
        kind: Its format.
        settings: How.
        sheet: Where the before/after sheet goes, if one is wanted.

    Raises:
        PhotoError: A page is damaged, or the format cannot hold the photo.
        OSError: A file cannot be written.
    """
    if photo.deep and not kind.deep:
        photo.note(f"16 bits a channel become 8 in {kind.name.upper()}")
    halves: list[tuple[Image.Image, Image.Image]] = []

    def pages() -> Generator[ColoredPage]:
        for page in photo.pages():
            colored, lightness = color_page(model, page, settings, deep=kind.deep)
            if sheet is not None and not halves:
                halves.append((_before(lightness, page.orientation), _after(colored)))
            del page, lightness
            yield colored

    with contextlib.closing(pages()) as generator:
        write_photo(path, kind, generator, photo, settings.quality)
    if sheet is not None:
        _save_sheet(*halves[0], sheet)


def _before(lightness: Float32, orientation: int) -> Image.Image:
    linear = np.maximum((lightness[_thinned(lightness)] + 16) / 116, 6 / 29) ** 3
    levels = SRGB.encode(np.repeat(linear.reshape(1, -1), 3, axis=0), np.dtype(np.uint8))[0].reshape(linear.shape)
    return _thumbnail(turned(levels, orientation))


def _after(colored: ColoredPage) -> Image.Image:
    pixels = colored.pixels[_thinned(colored.pixels)]
    levels = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    return _thumbnail(np.moveaxis(turned(np.moveaxis(levels, -1, 0), colored.orientation), 0, -1))


def _thinned(pixels: npt.NDArray[np.generic]) -> tuple[slice, slice]:
    step = max(1, max(pixels.shape[:2]) // (2 * COMPARE_SIDE))
    return slice(None, None, step), slice(None, None, step)


def _thumbnail(levels: npt.NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(levels))
    image.thumbnail((COMPARE_SIDE, COMPARE_SIDE))
    return image


def _save_sheet(before: Image.Image, after: Image.Image, path: Path) -> None:
    gap = max(2, after.width // 100)
    sheet = Image.new("RGB", (2 * after.width + gap, after.height), "white")
    sheet.paste(before, (0, 0))
    sheet.paste(after, (after.width + gap, 0))
    sheet.save(path, "JPEG", quality=90)
