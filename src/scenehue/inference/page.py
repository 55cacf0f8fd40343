"""Decoded pixels whose meaning is known.

They stay as they are stored: not turned, 16 bits where there are 16, and converted only where no result is written in
their kind (CMYK, Lab).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

from scenehue.inference.metadata import Metadata
from scenehue.inference.spaces import SRGB, SRGB_GREY, Pixels, Space, space_of, srgb_profile


@dataclass
class Page:
    """The pixels of one picture.

    Attributes:
        pixels: (H, W) grey or (H, W, 3), as stored.
        space: What their numbers mean.
        alpha: (H, W), or None when opaque.
        orientation: EXIF's number for how they are to be turned to stand upright.
        out_space: What the numbers of the coloured result are to mean.
        profile: The ICC profile that says so; None for sRGB that goes without saying.
        metadata: What else a page of several carries; None for what its file does.
    """

    pixels: Pixels
    space: Space
    alpha: Pixels | None = None
    orientation: int = 1
    out_space: Space = SRGB
    profile: bytes | None = None
    metadata: Metadata | None = None


def page_of(
    pixels: Pixels,
    alpha: Pixels | None = None,
    turned: int = 1,
    profile: bytes | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Page:
    """Decides what pixels mean, and what those of the result are to mean."""
    grey = pixels.ndim == 2
    space = space_of(profile, 1 if grey else 3)
    if space is None:
        if not (grey and space_of(profile, 3)):
            note("its ICC profile is broken or does not fit its pixels, and is left out")
        space, profile = SRGB_GREY if grey else SRGB, None
    if grey:
        return Page(pixels, space, alpha, turned, SRGB, srgb_profile())
    return Page(pixels, space, alpha, turned, space, profile)


def pillow_pixels(image: Image.Image, profile: bytes | None) -> tuple[Pixels, Pixels | None, bytes | None]:
    """Pixels and alpha of a decoded image, and the profile of the pixels as they are returned.

    Raises:
        ValueError: They have 32 bits that 16 cannot hold.
    """
    mode = image.mode
    if mode == "CMYK":
        return cmyk_to_srgb(image, profile), None, srgb_profile()
    if mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
        return np.asarray(ImageCms.applyTransform(image, transform)), None, srgb_profile()
    if mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16), None, profile
    if mode in ("I", "F"):
        return _sixteen_bits(image), None, profile
    if image.has_transparency_data:
        full = image.convert("LA" if mode in ("L", "LA", "La") else "RGBA")
        channels = np.asarray(full)
        colors = channels[..., 0] if full.mode == "LA" else channels[..., :3]
        return np.ascontiguousarray(colors), np.ascontiguousarray(channels[..., -1]), profile
    if mode not in ("L", "RGB"):
        return np.asarray(image.convert("L" if mode == "1" else "RGB")), None, profile
    return np.asarray(image), None, profile


def cmyk_to_srgb(image: Image.Image, profile: bytes | None) -> Pixels:
    """Colours of a CMYK image, by its profile where that works; (H, W, 3) uint8 sRGB."""
    if profile:
        try:
            transform = ImageCms.buildTransform(
                ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), "CMYK", "RGB"
            )
            return np.asarray(ImageCms.applyTransform(image, transform))
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile is as good as none
    return np.asarray(image.convert("RGB"))


def _sixteen_bits(image: Image.Image) -> Pixels:
    """Grey numbers of 32 bits, where 16 can hold them."""
    numbers = np.asarray(image)
    low, high = numbers.min(), numbers.max()
    if image.mode == "I" and low >= 0 and high <= 65535:
        return numbers.astype(np.uint16)
    if image.mode == "F" and low >= 0 and high <= 1:
        return np.rint(numbers * 65535).astype(np.uint16)
    raise ValueError(f"32-bit pixels from {low:g} to {high:g}; convert it to 16 bits first")
