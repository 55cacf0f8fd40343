"""A coloured picture on its way into a file, and what encoders make of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scenehue.errors import PhotoError
from scenehue.inference.formats import Format
from scenehue.inference.metadata import Metadata
from scenehue.inference.spaces import Pixels


@dataclass
class ColoredPage:
    """One coloured picture, as it is to be stored.

    Attributes:
        pixels: (H, W, 3), uint8 or uint16.
        alpha: (H, W) of the same type, or None.
        profile: The ICC profile of the pixels.
        orientation: EXIF's number for how they are to be turned to stand upright.
        metadata: What else a page of several carries; None for what its file does.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    profile: bytes | None = None
    orientation: int = 1
    metadata: Metadata | None = None


@contextlib.contextmanager
def refusals(name: str, kind: Format) -> Iterator[None]:
    """Turns what encoders raise, often on what a broken file carried, into a `PhotoError`."""
    try:
        yield
    except (PhotoError, OSError, MemoryError):
        raise
    except Exception as error:
        raise PhotoError(name, f"cannot be written as {kind.name.upper()} ({error})") from error


def with_alpha(page: ColoredPage) -> Pixels:
    """(H, W, 3), or (H, W, 4) with alpha."""
    return page.pixels if page.alpha is None else np.dstack([page.pixels, page.alpha])


def over_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Pixels as a viewer shows them on white paper."""
    white = np.iinfo(pixels.dtype).max
    share = alpha[..., None].astype(np.float32) / white
    return np.rint(pixels * share + white * (1 - share)).astype(pixels.dtype)
