"""What a photo's numbers mean: sRGB, or the colour space of its ICC profile, for the way in and the way out.

Most RGB profiles are three curves and a matrix; these are computed here, in float32, so that 16 bits stay 16 bits and
colours outside sRGB keep their lightness. Profiles made of lookup tables go through LittleCMS.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import ImageCms

from scenehue.color.lab import RGB_TO_WHITE, linear_rgb, linear_to_srgb, luminance_to_lightness

Float32 = npt.NDArray[np.float32]
Pixels = npt.NDArray[Any]
"""uint8 or uint16 over their whole range."""
Depth = np.dtype[Any]
Curve = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]

STEPS = 65536
# Bradford-adapted to D50, as the ICC's connection space wants it (IEC 61966-2-1, annex F of the profile specification).
SRGB_TO_D50 = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)


class Space(Protocol):
    """The meaning of a photo's numbers."""

    def lightness(self, pixels: Pixels) -> Float32:
        """L in 0..100 of (..., C) or, for grey, (...) numbers."""
        ...

    def encode(self, linear: Float32, dtype: Depth) -> Pixels:
        """(3, N) numbers of (3, N) linear sRGB intensities; may change its argument."""
        ...


class CurveSpace:
    """Numbers that a curve for each channel, then a matrix, turn into light.

    Args:
        curves: Three of them, or one for grey; each takes numbers in 0..1 to intensities in 0..1. Grey ones are written
            as sRGB.
        to_srgb: (3, 3), linear intensities to those of sRGB; None for sRGB's own primaries.
    """

    def __init__(self, curves: Sequence[Curve], to_srgb: npt.NDArray[np.float64] | None = None) -> None:
        self.curves = curves
        weights = np.ones(1) if len(curves) == 1 else RGB_TO_WHITE[1].astype(np.float64)
        self._weights = weights if to_srgb is None else weights @ to_srgb
        self._from_srgb = None if to_srgb is None else np.linalg.inv(to_srgb).astype(np.float32)

    @functools.cache  # noqa: B019 - spaces live as long as the process, there are few of them
    def _luminance(self, levels: int) -> Float32:
        """(C, levels): what each level of a channel adds to the luminance; for grey, to L itself."""
        numbers = np.linspace(0, 1, levels)
        tables = np.stack([weight * curve(numbers) for weight, curve in zip(self._weights, self.curves, strict=True)])
        return luminance_to_lightness(tables) if len(tables) == 1 else tables.astype(np.float32)

    @functools.cache  # noqa: B019
    def _encoder(self, dtype: Depth) -> list[Pixels]:
        """For each channel the numbers over `STEPS` equal steps of the intensity's square root."""
        linear = np.linspace(0, 1, STEPS) ** 2
        largest = np.iinfo(dtype).max
        if len(self.curves) == 1:
            return [np.rint(linear_to_srgb(linear.astype(np.float32)) * largest).astype(dtype)] * 3
        numbers = np.linspace(0, 1, STEPS)
        return [np.rint(np.interp(linear, curve(numbers), numbers) * largest).astype(dtype) for curve in self.curves]

    def lightness(self, pixels: Pixels) -> Float32:
        tables = self._luminance(np.iinfo(pixels.dtype).max + 1)
        if len(tables) == 1:
            return np.take(tables[0], pixels, mode="clip")
        luminance = np.take(tables[0], pixels[..., 0], mode="clip")
        luminance += np.take(tables[1], pixels[..., 1], mode="clip")
        luminance += np.take(tables[2], pixels[..., 2], mode="clip")
        return luminance_to_lightness(luminance)

    def encode(self, linear: Float32, dtype: Depth) -> Pixels:
        if self._from_srgb is not None:
            linear = self._from_srgb @ linear
        np.clip(linear, 0, 1, out=linear)
        np.sqrt(linear, out=linear)
        linear *= np.float32(STEPS - 1)
        linear += np.float32(0.5)
        steps = linear.astype(np.uint16)
        numbers = np.empty(linear.shape, dtype)
        for table, channel, out in zip(self._encoder(dtype), steps, numbers, strict=True):
            np.take(table, channel, out=out, mode="clip")
        return numbers


class CmsSpace:
    """Numbers whose meaning only LittleCMS can work out: profiles made of lookup tables.

    Args:
        profile: The ICC profile, of RGB.
    """

    def __init__(self, profile: bytes) -> None:
        self.profile = profile

    def _transform(self, pixels: Pixels, source: bytes, target: bytes) -> Pixels:
        import imagecodecs

        return imagecodecs.cms_transform(
            np.ascontiguousarray(pixels),
            source,
            target,
            colorspace="rgb",
            outcolorspace="rgb",
            outdtype=np.uint16,
            intent=1,
        )

    def lightness(self, pixels: Pixels) -> Float32:
        return SRGB.lightness(self._transform(pixels, self.profile, srgb_profile()))

    def encode(self, linear: Float32, dtype: Depth) -> Pixels:
        numbers = SRGB.encode(linear, np.dtype(np.uint16)).T[None]
        own = self._transform(numbers, srgb_profile(), self.profile)[0].T
        return own if dtype == np.uint16 else ((own.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _srgb_curve(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return linear_rgb(numbers).astype(np.float64)


SRGB = CurveSpace([_srgb_curve] * 3)
SRGB_GREY = CurveSpace([_srgb_curve])


@functools.cache
def srgb_profile() -> bytes:
    """An ICC profile that says sRGB, the same at any time."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[36:]


@functools.lru_cache(maxsize=32)
def space_of(profile: bytes | None, channels: int) -> Space | None:
    """The space that an ICC profile describes.

    Args:
        profile: The profile's bytes; None for a photo that carries none.
        channels: 1 for grey, 3 for RGB.

    Returns:
        The space: sRGB without a profile; None when the profile is broken or not one for so many channels.
    """
    if not profile:
        return SRGB_GREY if channels == 1 else SRGB
    try:
        return _parse(profile, channels)
    except (struct.error, ValueError, IndexError, KeyError, RuntimeError, np.linalg.LinAlgError):
        return None


def _parse(profile: bytes, channels: int) -> Space | None:
    if profile[36:40] != b"acsp" or profile[16:20] != {1: b"GRAY", 3: b"RGB "}[channels]:
        return None
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = {}
    for index in range(min(count, 100)):
        name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        tags[name] = profile[offset : offset + size]
    if channels == 1:
        return CurveSpace([_curve(tags[b"kTRC"])])
    if b"A2B0" in tags or profile[20:24] != b"XYZ ":
        space = CmsSpace(profile)
        space.encode(np.zeros((3, 1), np.float32), np.dtype(np.uint16))  # fails where LittleCMS cannot use it
        space.lightness(np.zeros((1, 1, 3), np.uint16))
        return space
    curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    to_d50 = np.stack([_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)
    to_srgb = np.linalg.inv(SRGB_TO_D50) @ to_d50
    numbers = np.linspace(0, 1, 256)
    same_curves = max(np.abs(curve(numbers) - _srgb_curve(numbers)).max() for curve in curves) < 0.004
    if same_curves and np.abs(to_srgb - np.eye(3)).max() < 0.01:
        return SRGB
    if np.linalg.cond(to_srgb) > 1000:
        return None
    # White stays white: what rounding in the profile takes from it is given back.
    return CurveSpace(curves, to_srgb / to_srgb.sum(axis=1, keepdims=True))


def _xyz(tag: bytes) -> npt.NDArray[np.float64]:
    return np.array(struct.unpack_from(">3i", tag, 8)) / 65536


def _curve(tag: bytes) -> Curve:
    """A curve of type ``curv`` or ``para`` (ICC.1:2022, sections 10.6 and 10.18)."""
    if tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        lengths = (1, 3, 4, 5, 7)
        values = np.array(struct.unpack_from(f">{lengths[kind]}i", tag, 12)) / 65536
        gamma, a, b, c, d, e, f = _parameters(kind, list(values))
        return lambda x: np.clip(np.where(x >= d, np.maximum(a * x + b, 0) ** gamma + e, c * x + f), 0, 1)
    if tag[:4] != b"curv":
        raise ValueError("unknown type of curve")
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return lambda x: x
    if count == 1:
        gamma = struct.unpack_from(">H", tag, 12)[0] / 256
        return lambda x: x**gamma
    # Inversion needs a curve that never falls.
    points = np.maximum.accumulate(np.frombuffer(tag, ">u2", count, 12) / 65535)
    return lambda x: np.interp(x, np.linspace(0, 1, count), points)


def _parameters(kind: int, values: list[float]) -> tuple[float, ...]:
    """gamma, a, b, c, d, e, f of the general form, ``(a x + b) ** gamma + e`` from d on, ``c x + f`` below."""
    if kind == 0:
        return values[0], 1, 0, 0, -1, 0, 0
    if kind in (1, 2):
        gamma, a, b = values[:3]
        level = values[3] if kind == 2 else 0
        return gamma, a, b, 0, -b / a, level, level
    if kind == 3:
        return *values, 0, 0
    return tuple(values)
