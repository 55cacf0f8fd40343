"""One photo on its way into the data set: decoded, judged, scaled and encoded anew."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from scenehue.color.lab import rgb_to_lab
from scenehue.data.decode import Pixels, decode
from scenehue.data.duplicates import perceptual_hash
from scenehue.data.listing import Entry
from scenehue.data.sources import PhotoSource
from scenehue.errors import ArtifactError, PhotoError
from scenehue.params import AnySource, DatasetParams


@dataclass(frozen=True)
class Prepared:
    """A usable photo.

    Attributes:
        photo: The file to store.
        width: Of the stored photo, upright.
        height: Of the stored photo, upright.
        original_width: Of the photo as it came, upright.
        original_height: Of the photo as it came, upright.
        mean_chroma: Mean over its pixels of the distance from grey, in ab units.
        hash: The perceptual hash.
        segmentation: The segmentation map to store, of the stored photo's size.
    """

    photo: bytes
    width: int
    height: int
    original_width: int
    original_height: int
    mean_chroma: float
    hash: int
    segmentation: bytes | None = None


def full_name(source: AnySource, entry: Entry) -> str:
    """A photo's name for people: the source's path, the file's path within, and ``!member`` in a tar."""
    return f"{source.path.rstrip('/')}/{entry.name}"


def split_of(entry: Entry, params: DatasetParams) -> str:
    """The split of a photo: the one it was given, or else one that follows from its content alone, and so never moves.

    Test takes hashes from the lower end and val from the upper: changing the share of one does not move the other.
    """
    if entry.split:
        return entry.split
    place = int(entry.hash[:13], 16) / 16**13
    if place < params.splits.test:
        return "test"
    return "val" if place >= 1 - params.splits.val else "train"


def prepare(data: bytes, entry: Entry, params: DatasetParams, segmentation: bytes | None = None) -> Prepared:
    """Decodes and judges a photo.

    Args:
        data: Its file.
        entry: Its row in the listing.
        params: Section ``dataset``.
        segmentation: Its segmentation map, if there is one.

    Returns:
        Test photos with their file untouched; others scaled down to the short side, as JPEG with full-size chroma.

    Raises:
        PhotoError: The photo cannot be used; the reason says why.
        ArtifactError: The file or its map is not the one that was listed.
    """
    name = full_name(params.sources[entry.source], entry)
    listed = [(data, entry.hash)] + ([(segmentation, entry.map_hash)] if segmentation is not None else [])
    if any(hashlib.sha256(file).hexdigest() != hash for file, hash in listed):
        raise ArtifactError(f"{name} has changed since it was listed; run the stage sources again")
    photo = decode(data, params.short_side, params.max_megapixels, params.min_side, name)
    rgb, original = photo.pixels, (photo.original_width, photo.original_height)
    mean_chroma = _mean_chroma(rgb, params.min_chroma)
    if mean_chroma is None:
        raise PhotoError(name, f"grey: no |a| or |b| above min_chroma ({params.min_chroma:g})")
    if split_of(entry, params) == "test":
        stored, size = data, original
    else:
        stored, size = _jpeg(rgb, params.jpeg_quality), (rgb.shape[1], rgb.shape[0])
    if segmentation is not None:
        segmentation = _scaled_map(segmentation, original, size, name)
    return Prepared(stored, *size, *original, mean_chroma, perceptual_hash(rgb), segmentation)


def prepare_all(sources: list[PhotoSource], params: DatasetParams, entries: list[Entry]) -> list[Prepared | str]:
    """Reads and prepares photos; in the place of each that cannot be used, the reason why."""
    results = list[Prepared | str]()
    for entry in entries:
        try:
            source = sources[entry.source]
            results.append(prepare(source.read(entry), entry, params, source.segmentation(entry)))
        except PhotoError as error:
            results.append(error.reason)
    return results


def _mean_chroma(rgb: Pixels, min_chroma: float) -> float | None:
    """Mean distance from grey, or None if no pixel's ``|a|`` or ``|b|`` is above `min_chroma`."""
    step = max(1, min(rgb.shape[:2]) // 40)
    some = rgb_to_lab(rgb[step // 2 :: step, step // 2 :: step])[..., 1:]
    if np.abs(some).max() <= min_chroma and np.abs(rgb_to_lab(rgb)[..., 1:]).max() <= min_chroma:
        return None
    return float(np.hypot(some[..., 0], some[..., 1]).mean())


def _scaled_map(png: bytes, expected: tuple[int, int], size: tuple[int, int], name: str) -> bytes:
    try:
        classes = np.asarray(Image.open(io.BytesIO(png), formats=["PNG"]))
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(name, f"unreadable: its segmentation map: {error}") from error
    if classes.shape != expected[::-1]:
        raise PhotoError(name, f"unreadable: its segmentation map has the shape {classes.shape}, not {expected[::-1]}")
    if size == expected:
        return png
    buffer = io.BytesIO()
    Image.fromarray(cv2.resize(classes, size, interpolation=cv2.INTER_NEAREST_EXACT)).save(buffer, "PNG")
    return buffer.getvalue()


def _jpeg(rgb: Pixels, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality, subsampling="4:4:4")
    return buffer.getvalue()
