"""Coloured pages to files, with everything that the original carried and the format can hold."""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin

from scenehue.errors import PhotoError
from scenehue.inference.deep import png_bytes
from scenehue.inference.formats import AVIF, HEIC, JPEG, PNG, TIFF, WEBP, Format
from scenehue.inference.metadata import Metadata, parse_exif
from scenehue.inference.photo_file import Photo
from scenehue.inference.spaces import Pixels
from scenehue.inference.thumbnail import recolored

CLASSIC_TIFF_BYTES = 3.8e9
"""More than these go into a BigTIFF."""
JPEG_SEGMENT = 65533
"""Bytes that a segment of a JPEG file holds."""
XMP_SIGNATURE = b"http://ns.adobe.com/xap/1.0/\0"
DEFAULT_QUALITY = {JPEG.name: 95, WEBP.name: 92, AVIF.name: 85, HEIC.name: 90}


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
        _write_tiff(path, pages, photo)
        return
    (page,) = pages
    height, width = page.pixels.shape[:2]
    if max(height, width) > kind.max_side:
        raise PhotoError(photo.name, f"{width} x {height} is more than {kind.name.upper()} can hold; use --format tiff")
    if page.alpha is not None and not kind.alpha:
        photo.note(f"{kind.name.upper()} holds no transparency; it is laid over white")
        page.pixels, page.alpha = over_white(page.pixels, page.alpha), None
    with _refusals(photo, kind):
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


@contextlib.contextmanager
def _refusals(photo: Photo, kind: Format) -> Iterator[None]:
    """Turns what encoders raise, often on what a broken file carried, into a `PhotoError`."""
    try:
        yield
    except (PhotoError, OSError, MemoryError):
        raise
    except Exception as error:
        raise PhotoError(photo.name, f"cannot be written as {kind.name.upper()} ({error})") from error


def with_alpha(page: ColoredPage) -> Pixels:
    """(H, W, 3), or (H, W, 4) with alpha."""
    return page.pixels if page.alpha is None else np.dstack([page.pixels, page.alpha])


def over_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Pixels as a viewer shows them on white paper."""
    white = np.iinfo(pixels.dtype).max
    share = alpha[..., None].astype(np.float32) / white
    return np.rint(pixels * share + white * (1 - share)).astype(pixels.dtype)


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
    block = _fields(metadata, page.orientation, resolution)
    return b"Exif\0\0" + recolored(block, page.pixels) if block else b""


def _fields(metadata: Metadata, orientation: int, resolution: bool) -> bytes:
    """The original's block; touched only where it does not say how the pixels stand, or what else it has to say."""
    fields = parse_exif(metadata.exif)
    changes: dict[int, Any] = {}
    if fields.get(ExifTags.Base.Orientation, 1) != orientation:
        changes[ExifTags.Base.Orientation] = orientation
    if resolution and metadata.dpi and ExifTags.Base.XResolution not in fields:
        changes |= {ExifTags.Base.XResolution: metadata.dpi[0], ExifTags.Base.YResolution: metadata.dpi[1]}
        changes[ExifTags.Base.ResolutionUnit] = 2
    if not changes:
        return metadata.exif or b""
    fields.update(changes)
    try:
        block = fields.tobytes()
    except Exception:  # noqa: BLE001 - what Pillow raises on broken fields is not said
        fields = Image.Exif()
        fields.update({ExifTags.Base.Orientation: orientation} | changes)
        block = fields.tobytes()
    return block.removeprefix(b"Exif\0\0")


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


def _write_tiff(path: Path, pages: Iterable[ColoredPage], photo: Photo) -> None:
    import tifffile

    fields = parse_exif(photo.metadata.exif)
    cameras = {tag: dict(fields.get_ifd(tag)) for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)}
    cameras = {tag: values for tag, values in cameras.items() if values}
    compression = {"none": None, "deflate": "zlib"}.get(photo.compression, photo.compression)
    bytes_expected = photo.count * photo.width * photo.height * 4 * (2 if photo.deep else 1)
    with tifffile.TiffWriter(path, bigtiff=bytes_expected > CLASSIC_TIFF_BYTES) as tiff:
        for page in pages:
            metadata = page.metadata or photo.metadata
            with _refusals(photo, TIFF):
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
                    extratags=list(_tiff_tags(metadata, page.orientation)),
                )
    if cameras:
        with _refusals(photo, TIFF):
            _add_directories(path, cameras)


def _tiff_tags(metadata: Metadata, orientation: int) -> Iterator[tuple[int, str, int, Any, bool]]:
    """Further tags as tifffile wants them: number, type, count, value, and whether it stands on the first page only."""
    fields = parse_exif(metadata.exif)
    # Names of document and page; what is shown, camera, program, date, who, where, whose.
    for tag in (269, 285, 270, 271, 272, 305, 306, 315, 316, 33432):
        if isinstance(fields.get(tag), str):
            yield tag, "s", 0, fields[tag].encode("utf-8", "replace"), False
    yield 274, "H", 1, orientation, False
    for tag, blob in ((700, metadata.xmp), (33723, metadata.iptc), (34377, metadata.photoshop)):
        if blob:
            yield tag, "B", len(blob), blob, False


def _add_directories(path: Path, cameras: dict[Any, dict[int, Any]]) -> None:
    """Adds the directories of camera and place to a TIFF file, which tifffile does not write.

    They go behind everything else, and with them a new first directory that points to them.
    """
    with path.open("r+b") as stream:
        header = stream.read(16)
        order = "<" if header.startswith(b"II") else ">"
        big = struct.unpack_from(order + "H", header, 2)[0] == 43
        word, count_form, start = ("Q", "Q", 8) if big else ("I", "H", 4)
        (first,) = struct.unpack_from(order + word, header, start)
        stream.seek(first)
        (count,) = struct.unpack(order + count_form, stream.read(struct.calcsize(count_form)))
        size = 20 if big else 12
        entries = [stream.read(size) for _ in range(count)]
        following = stream.read(struct.calcsize(word))
        for tag, values in cameras.items():
            directory = TiffImagePlugin.ImageFileDirectory_v2(header[:4] + b"\0" * 4 if not big else header)
            for number, value in values.items():
                if not isinstance(value, dict):
                    directory[number] = value
            position = _to_even_end(stream)
            stream.write(directory.tobytes(position))
            entries.append(struct.pack(order + "HH" + 2 * word, int(tag), 16 if big else 4, 1, position))
        position = _to_even_end(stream)
        entries.sort(key=lambda entry: struct.unpack_from(order + "H", entry)[0])
        stream.write(struct.pack(order + count_form, len(entries)) + b"".join(entries) + following)
        stream.seek(start)
        stream.write(struct.pack(order + word, position))


def _to_even_end(stream: BinaryIO) -> int:
    position = stream.seek(0, 2)
    return position + stream.write(b"\0" * (position % 2))
