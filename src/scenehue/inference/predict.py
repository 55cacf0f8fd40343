"""The one prediction function: evaluation, packaged models, the command line and the `Colorizer` all call it.

Full-size planes are worked on in bands of rows that fit a core's cache, so that a 100-megapixel photograph needs little
more memory than its pixels.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from scenehue.color.gamut import fitted_linear
from scenehue.color.lab import lightness
from scenehue.inference.model import REG, ChromaModel, Decoder
from scenehue.inference.spaces import SRGB, SRGB_GREY, Pixels, Space
from scenehue.inference.upsample import ChromaField, resize

Float32 = npt.NDArray[np.float32]

MAX_ASPECT = 4
"""Longer photographs are squeezed to this ratio of sides before the network sees them."""
BAND_PIXELS = 1 << 16
THREADED_PIXELS = 1 << 20
"""From this size on a photograph's bands are shared out among the cores; smaller ones are quicker without."""


def working_shape(height: int, width: int, size: float, multiple: int) -> tuple[int, int]:
    """Height and width at which the network sees a photograph.

    Args:
        height: Of the photograph, in pixels.
        width: Of the photograph, in pixels.
        size: Short side to reach.
        multiple: Both results are multiples of it.

    Returns:
        Height and width, the short one nearest to `size`, the long one at most `MAX_ASPECT` times as long.

    Example:
        >>> working_shape(3000, 4000, size=256, multiple=32)
        (256, 352)
    """
    short = max(1, round(size / multiple)) * multiple
    aspect = min(MAX_ASPECT, max(height, width) / min(height, width))
    long = max(1, round(short * aspect / multiple)) * multiple
    return (short, long) if height <= width else (long, short)


def working_shapes(height: int, width: int, model: ChromaModel, size: int | None = None) -> list[tuple[int, int]]:
    """The heights and widths at which a network sees a photograph, one for each of its scales.

    Args:
        height: Of the photograph, in pixels.
        width: Of the photograph, in pixels.
        model: The network.
        size: Working size; without it, the size the model was trained for.

    Returns:
        As by `working_shape`, the largest first, none twice.
    """
    base = size or model.size
    return sorted({working_shape(height, width, base * scale, model.multiple) for scale in model.scales}, reverse=True)


def views_of(lightness_HW: Float32, model: ChromaModel, size: int | None = None) -> list[Float32]:
    """What a network sees of a photograph.

    Args:
        lightness_HW: (H, W), L in 0..100.
        model: The network.
        size: Working size; without it, the size the model was trained for.

    Returns:
        (h, w) of each of the `working_shapes`, L in 0..100.
    """
    height, width = lightness_HW.shape
    return [np.clip(resize(lightness_HW, *shape), 0, 100) for shape in working_shapes(height, width, model, size)]


def predict_ab(model: ChromaModel, lightness_HW: Float32, size: int | None = None, decoder: Decoder = REG) -> Float32:
    """Predicts the chroma of one photograph at its full size, before it is reduced into gamut.

    Args:
        model: The network.
        lightness_HW: (H, W), L in 0..100, of any size.
        size: Working size: the short side that the network sees, in pixels; without it, the size the model was trained
            for.
        decoder: How the prediction is decoded.

    Returns:
        (H, W, 2): ab in Lab units.
    """
    (field,) = chroma_fields(model, [lightness_HW], size, decoder)
    return np.moveaxis(field.rows(0, lightness_HW)[1:], 0, -1)


def predict(
    model: ChromaModel, photo: npt.NDArray[np.generic], size: int | None = None, decoder: Decoder = REG
) -> npt.NDArray[np.uint8]:
    """Colours one photograph; its own colours, if it has any, are not looked at.

    Args:
        model: The network.
        photo: (H, W, 3) sRGB or (H, W) sRGB grey: uint8 or uint16 over their whole range, or floats in 0..1.
        size: Working size: the short side that the network sees, in pixels; without it, the size the model was trained
            for.
        decoder: How the prediction is decoded.

    Returns:
        (H, W, 3) sRGB with the photograph's own lightness, chroma reduced where sRGB cannot show it.
    """
    lightness_HW = photo_lightness(photo)
    (field,) = chroma_fields(model, [lightness_HW], size, decoder)
    colored = np.empty((*lightness_HW.shape, 3), np.uint8)
    join(field, lightness_HW, colored)
    return colored


def photo_lightness(photo: npt.NDArray[np.generic], space: Space | None = None) -> Float32:
    """L of a photograph.

    Args:
        photo: (H, W, 3) or grey (H, W): uint8 or uint16 over their whole range, or floats in 0..1, which are always
            sRGB.
        space: What the numbers mean; sRGB when it is not said.

    Returns:
        (H, W), L in 0..100.
    """
    height, width = photo.shape[:2]
    plane = np.empty((height, width), np.float32)
    space = space or (SRGB_GREY if photo.ndim == 2 else SRGB)

    def fill(top: int, bottom: int) -> None:
        band = photo[top:bottom]
        if band.dtype in (np.uint8, np.uint16):
            plane[top:bottom] = space.lightness(band)
        else:
            plane[top:bottom] = lightness(band if band.ndim == 3 else np.repeat(band[..., None], 3, axis=-1))

    in_bands(height, width, fill)
    return plane


def chroma_fields(
    model: ChromaModel,
    lightnesses: Sequence[Float32],
    size: int | None = None,
    decoder: Decoder = REG,
    orientations: Sequence[int] | None = None,
) -> list[ChromaField]:
    """Predicts the chroma of several photographs in one batch; once upright, they must have the same `working_shapes`.

    Args:
        model: The network.
        lightnesses: Of each photograph (H, W), L in 0..100.
        size: Working size; without it, the size the model was trained for.
        decoder: How the prediction is decoded.
        orientations: EXIF's numbers for how the photographs are to be turned to stand upright, as the network wants
            them; without them, they do.

    Returns:
        For each photograph its chroma, turned like the photograph, to be asked for at full size.
    """
    orientations = orientations or [1] * len(lightnesses)
    seen = [views_of(plane, model, size) for plane in lightnesses]
    upright = [[turned(view, way) for view in views] for views, way in zip(seen, orientations, strict=True)]
    predicted = [model.chroma(np.stack(views), decoder) for views in zip(*upright, strict=True)]
    fields = []
    for maps, views, plane, way in zip(zip(*predicted, strict=True), seen, lightnesses, orientations, strict=True):
        stored = [np.ascontiguousarray(turned(ab, {6: 8, 8: 6}.get(way, way))) for ab in maps]
        fields.append(ChromaField(list(zip(stored, views, strict=True)), *plane.shape))
    return fields


def turned(planes: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Planes (..., H, W) turned and mirrored as EXIF's number says, so that they stand upright.

    Example:
        >>> turned(np.array([[1, 2], [3, 4]]), 6).tolist()
        [[3, 1], [4, 2]]
    """
    if orientation in (5, 6, 7, 8):
        planes = planes.swapaxes(-2, -1)
    if orientation in (3, 4, 7, 8):
        planes = planes[..., ::-1, :]
    if orientation in (2, 3, 6, 7):
        planes = planes[..., ::-1]
    return planes


def join(field: ChromaField, lightness_HW: Float32, colored: Pixels, space: Space = SRGB) -> None:
    """Joins predicted chroma with the photograph's own lightness.

    Args:
        field: The chroma.
        lightness_HW: (H, W), L in 0..100.
        colored: (H, W, 3), uint8 or uint16: filled with the result.
        space: What the result's numbers mean.
    """

    def fill(top: int, bottom: int) -> None:
        band = lightness_HW[top:bottom]
        levels = space.encode(fitted_linear(field.rows(top, band).reshape(3, -1)), colored.dtype)
        for channel, plane in enumerate(levels):
            colored[top:bottom, :, channel] = plane.reshape(band.shape)

    in_bands(lightness_HW.shape[0], lightness_HW.shape[1], fill)


def in_bands(height: int, width: int, task: Callable[[int, int], None]) -> None:
    """Calls ``task(top, bottom)`` for bands that together are all rows, on all cores when the photograph is large."""
    rows = max(1, BAND_PIXELS // width)
    bands = [(top, min(top + rows, height)) for top in range(0, height, rows)]
    if height * width < THREADED_PIXELS:
        for band in bands:
            task(*band)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as workers:
            list(workers.map(lambda band: task(*band), bands))
