"""Coloured pages to a TIFF file, with the tags that each page carried."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scenehue.inference.colored_page import ColoredPage, refusals, with_alpha
from scenehue.inference.formats import TIFF
from scenehue.inference.metadata import IPTC, NOT_CARRIED, PHOTOSHOP, XMP, Metadata
from scenehue.inference.photo_file import Photo
from scenehue.inference.tags import (
    BYTE,
    RATIONAL,
    SHORT,
    SIGNED_RATIONAL,
    Directory,
    Order,
    Tag,
    add_tags,
    read_tags,
    swapped,
)

CLASSIC_TIFF_BYTES = 3.8e9
"""More than these go into a BigTIFF."""
ORIENTATION = 274


def write_tiff(path: Path, pages: Iterable[ColoredPage], photo: Photo) -> None:
    """Writes a TIFF file.

    Args:
        path: The file to write.
        pages: Taken one after the other, so that only one is in memory.
        photo: The original, whose metadata is carried over.

    Raises:
        PhotoError: A page cannot be written, because of something that it was given.
        OSError: The file cannot be written.
    """
    import tifffile

    compression = {"none": None, "deflate": "zlib"}.get(photo.compression, photo.compression)
    bytes_expected = photo.count * photo.width * photo.height * 4 * (2 if photo.deep else 1)
    big = bytes_expected > CLASSIC_TIFF_BYTES
    # The original's, on which makers' notes may depend; of big files, not everyone reads those of the rarer order.
    order = "<" if big else photo.metadata.order
    further: dict[int, Directory] = {}
    with tifffile.TiffWriter(path, bigtiff=big, byteorder=order) as tiff:
        for number, page in enumerate(pages):
            metadata = page.metadata or photo.metadata
            tags = _tags(metadata, order, photo)
            below: Directory = {tag: value for tag, value in tags.items() if isinstance(value, dict)}
            if below:
                further[number] = below
            with refusals(photo.name, TIFF):
                tiff.write(
                    with_alpha(page),
                    photometric="rgb",
                    extrasamples=None if page.alpha is None else ["unassalpha"],
                    compression=compression,
                    predictor=compression is not None,
                    iccprofile=page.profile,
                    resolution=metadata.dpi,
                    resolutionunit="inch" if metadata.dpi else None,
                    software=False,
                    metadata=None,
                    contiguous=False,
                    extratags=[(ORIENTATION, SHORT, 1, page.orientation, False), *_extra(tags, order)],
                )
    if further:  # directories of camera and place, which tifffile does not write
        with refusals(photo.name, TIFF), path.open("r+b") as stream:
            add_tags(stream, further)


def _tags(metadata: Metadata, order: Order, photo: Photo) -> Directory:
    blobs = {XMP: metadata.xmp, IPTC: metadata.iptc, PHOTOSHOP: metadata.photoshop}
    tags: Directory = {tag: Tag(BYTE, blob) for tag, blob in blobs.items() if blob}
    if metadata.exif:
        try:
            own = read_tags(io.BytesIO(metadata.exif), without=NOT_CARRIED | blobs.keys())
            tags |= own if order == metadata.order else swapped(own)
        except ValueError as error:
            photo.note(f"its EXIF block is left out ({error})")
    return tags


def _extra(tags: Directory, order: Order) -> Iterator[tuple[int, int, int, Any, bool]]:
    """Tags as tifffile wants them: number, type, count, value, and whether they stand on the first page only."""
    for number, tag in tags.items():
        if isinstance(tag, Tag):
            value: Any = tag.content
            if tag.kind in (RATIONAL, SIGNED_RATIONAL):  # whose bytes it would count twice
                value = struct.unpack(f"{order}{2 * tag.num_values}{'I' if tag.kind == RATIONAL else 'i'}", value)
            yield number, tag.kind, tag.num_values, value, False
