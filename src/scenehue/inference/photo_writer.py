"""Coloured pages to files, with everything that the original carried and the format can hold."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from scenehue.errors import PhotoError
from scenehue.inference.colored_page import ColoredPage, over_white, refusals, with_alpha
from scenehue.inference.deep import png_bytes
from scenehue.inference.formats import AVIF, HEIC, JPEG, PNG, TIFF, WEBP, Format
from scenehue.inference.metadata import Metadata, parse_exif
from scenehue.inference.photo_file import Photo
from scenehue.inference.tags import INCH, RATIONAL, SHORT, Directory, Order, Tag, add_tags, tag_block
from scenehue.inference.thumbnail import recolored
from scenehue.inference.tiff_writer import write_tiff

JPEG_SEGMENT = 65533
"""Bytes that a segment of a JPEG file holds."""
XMP_SIGNATURE = b"http://ns.adobe.com/xap/1.0/\0"
DEFAULT_QUALITY = {JPEG.name: 95, WEBP.name: 92, AVIF.name: 85, HEIC.name: 90}


def write_photo(
    path: Path, kind: Format, pages: Iterable[ColoredPage], photo: Photo, quality: int | None = None
) -> None:
    """Writes a coloured photo.

    Args:
        path: The file to write.
        kind: In which format.
        pages: Its pages; taken one after the other, so that only one is in memory.
        photo: The original, whose metadata is carried over; it is told what the format cannot hold.
        quality: 1 to 100, of lossy formats; without it, a good one for each.

    Raises:
        PhotoError: The format cannot hold so many pages, or such a size, or something else that it was given.
        OSError: The file cannot be written.
    """
    if photo.count > 1 and not kind.pages:
        raise PhotoError(photo.name, f"has {photo.count} pages, and {kind.name.upper()} holds one; use --format tiff")
    _note_losses(photo, kind)
    if kind is TIFF:
        write_tiff(path, pages, photo)
        return
    (page,) = pages
    height, width = page.pixels.shape[:2]
    if max(height, width) > kind.max_side:
        raise PhotoError(photo.name, f"{width} x {height} is more than {kind.name.upper()} can hold; use --format tiff")
    if page.alpha is not None and not kind.alpha:
        photo.note(f"{kind.name.upper()} holds no transparency; it is laid over white")
        page.pixels, page.alpha = over_white(page.pixels, page.alpha), None
    with refusals(photo.name, kind):
        if page.pixels.dtype == np.uint16:
            path.write_bytes(png_bytes(with_alpha(page), list(_png_chunks(page, photo.metadata))))
        else:
            _write_pillow(path, kind, page, photo, quality or DEFAULT_QUALITY.get(kind.name))


def _note_losses(photo: Photo, kind: Format) -> None:
    metadata = photo.metadata
    for what, is_lost in (
        ("a PNG's texts", metadata.text and kind is not PNG),
        ("a comment", metadata.comment and kind is not JPEG),
        ("IPTC fields", (metadata.photoshop or metadata.iptc) and kind not in (JPEG, TIFF)),
    ):
        if is_lost:
            photo.note(f"{kind.name.upper()} has no place for {what}")


def _write_pillow(path: Path, kind: Format, page: ColoredPage, photo: Photo, quality: int | None) -> None:
    image, metadata = Image.fromarray(with_alpha(page)), photo.metadata
    options: dict[str, Any] = {}
    exif = _exif(metadata, page, resolution=kind not in (JPEG, PNG))
    if kind is JPEG and len(exif) > JPEG_SEGMENT:
        photo.note("JPEG holds no EXIF block of that size; it is left out")
        exif = _exif(replace(metadata, exif=None), page, resolution=False)
    if kind is JPEG and len(metadata.xmp or b"") > JPEG_SEGMENT - len(XMP_SIGNATURE):
        photo.note("JPEG holds no XMP packet of that size; it is left out")
        metadata = replace(metadata, xmp=None)
    if exif:
        options["exif"] = exif
    if page.profile:
        options["icc_profile"] = page.profile
    if metadata.xmp and kind is not PNG:
        options["xmp"] = metadata.xmp
    if metadata.dpi and kind in (JPEG, PNG):
        options["dpi"] = metadata.dpi
    if quality is not None:
        options["quality"] = quality
    if kind is JPEG:
        # Chroma follows the edges of lightness; halving it again would undo that.
        options["subsampling"] = 0 if quality is None or quality >= 90 else 2
        blocks = metadata.photoshop or (_photoshop_block(metadata.iptc) if metadata.iptc else b"")
        options["extra"] = b"".join(_photoshop_segments(blocks))
        if metadata.comment:
            options["comment"] = metadata.comment
    if kind is PNG:
        options["pnginfo"] = _png_texts(metadata)
    if kind is HEIC:
        try:
            import pillow_heif
        except ModuleNotFoundError as error:
            raise PhotoError(path, "HEIC needs one more package: pip install 'scenehue[heic]'") from error
        pillow_heif.register_heif_opener()
    image.save(path, kind.pillow_names[0], **options)


def _exif(metadata: Metadata, page: ColoredPage, resolution: bool) -> bytes:
    """The original's block, signature and all, with a coloured thumbnail; empty without one."""
    block = _block(metadata, page.orientation, resolution)
    return b"Exif\0\0" + recolored(block, page.pixels) if block else b""


def _block(metadata: Metadata, orientation: int, resolution: bool) -> bytes:
    """The original's block; added to only where it does not say how the pixels stand, or what else it has to say."""
    fields = parse_exif(metadata.exif)
    block = metadata.exif if len(fields) else None
    order: Order = "<" if block is None else metadata.order
    changes: Directory = {}
    if fields.get(ExifTags.Base.Orientation, 1) != orientation:
        changes[ExifTags.Base.Orientation] = Tag(SHORT, struct.pack(order + "H", orientation))
    if resolution and metadata.dpi and ExifTags.Base.XResolution not in fields:
        for tag, dpi in zip((ExifTags.Base.XResolution, ExifTags.Base.YResolution), metadata.dpi, strict=True):
            ratio = Fraction(dpi).limit_denominator(1000)
            changes[tag] = Tag(RATIONAL, struct.pack(order + "II", ratio.numerator, ratio.denominator))
        changes[ExifTags.Base.ResolutionUnit] = Tag(SHORT, struct.pack(order + "H", INCH))
    if not changes:
        return metadata.exif or b""
    if block is None:
        return tag_block(changes, order)
    stream = io.BytesIO(block)
    try:
        add_tags(stream, {0: changes})
    except ValueError:  # Pillow reads more than is right
        return tag_block(changes, order)
    return stream.getvalue()


def _photoshop_block(iptc: bytes) -> bytes:
    """IPTC fields as one of Photoshop's resource blocks: number, no name, size, content of even length."""
    return b"8BIM\x04\x04\0\0" + len(iptc).to_bytes(4, "big") + iptc + b"\0" * (len(iptc) % 2)


def _photoshop_segments(blocks: bytes) -> Iterator[bytes]:
    """Marker segments of a JPEG file, which hold 64 kB each."""
    signature, most = b"Photoshop 3.0\0", 65000
    for start in range(0, len(blocks), most):
        content = signature + blocks[start : start + most]
        yield b"\xff\xed" + (len(content) + 2).to_bytes(2, "big") + content


def _png_texts(metadata: Metadata) -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    for key, value in metadata.text.items():
        with contextlib.suppress(ValueError, UnicodeError):
            texts.add_itxt(key, value) if not value.isascii() else texts.add_text(key, value)
    if metadata.xmp:
        with contextlib.suppress(UnicodeDecodeError):
            texts.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode())
    return texts


def _png_chunks(page: ColoredPage, metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    if page.profile:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(page.profile)
    if metadata.dpi:
        yield b"pHYs", b"".join(round(dpi / 0.0254).to_bytes(4, "big") for dpi in metadata.dpi) + b"\x01"
    exif = _exif(metadata, page, resolution=False)
    if exif:
        yield b"eXIf", exif[6:]
    for name, content, *_ in _png_texts(metadata).chunks:
        yield name, content
