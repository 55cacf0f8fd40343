"""What a photo file carries beside its pixels."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from PIL import ExifTags, Image, TiffImagePlugin

from scenehue.inference.tags import Order, Tag, layout_of, read_tags, tag_block

XMP, IPTC, PHOTOSHOP, PHOTOSHOP_LAYERS = 700, 33723, 34377, 37724
_ELSEWHERE = {274, 282, 283, 296, 34675}
"""Tags that are carried over by other means: how to turn it, resolution, ICC profile."""
_STORAGE = {*range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 300, 301, 317}
_STORAGE |= {*range(320, 326), 330, *range(332, 335), 336, *range(338, 348), *range(512, 522), *range(529, 533)}
_STORAGE |= {33421, 33422, 37398, PHOTOSHOP_LAYERS, 50674, *range(50706, 51182), 50838, 50839}
"""Tags that tell how grey pixels were stored or shown, which those of the result are not: TIFF's own, camera raw's,
ImageJ's, and Photoshop's layers."""
NOT_CARRIED = frozenset(_ELSEWHERE | _STORAGE)
"""Tags of a page of a TIFF file that mean nothing elsewhere."""


@dataclass(frozen=True)
class Metadata:
    """What is carried over from the original to the result.

    Attributes:
        exif: TIFF-like block, without the ``Exif`` signature.
        order: Of the bytes in the block, ``<`` or ``>``.
        xmp: XML packet.
        photoshop: Photoshop's resource blocks, which hold the IPTC fields.
        iptc: The IPTC fields by themselves, as some TIFF files have them: their bytes as stored, as some programs call
            them whole numbers.
        dpi: Pixels per inch, along x and y.
        text: Further texts of a PNG file.
        comment: Of a JPEG file.
    """

    exif: bytes | None = None
    order: Order = "<"
    xmp: bytes | None = None
    photoshop: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: dict[str, str] = field(default_factory=dict)
    comment: bytes | None = None


def read_metadata(image: Image.Image, stream: BinaryIO, note: Callable[[str], None]) -> Metadata:
    """Collects the metadata of an opened image; broken fields are left out.

    Args:
        image: Opened.
        stream: Its file.
        note: Is told what is left out.
    """
    # First of all, since it makes Pillow read a PNG to its end, where XMP and EXIF may be.
    text = {key: str(value) for key, value in getattr(image, "text", {}).items() if key != "XML:com.adobe.xmp"}
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # whose `info` still holds the page before
        return _of_tiff_page(image, stream, note)
    exif, comment = image.info.get("exif"), image.info.get("comment")
    exif = exif.removeprefix(b"Exif\0\0") if isinstance(exif, bytes) else b""
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    photoshop = None
    for marker, segment in getattr(image, "applist", []):
        if marker == "APP13" and segment.startswith(b"Photoshop 3.0\0"):
            photoshop = (photoshop or b"") + segment[14:]
    return Metadata(
        exif=exif if exif[:4] in (b"II*\0", b"MM\0*") else None,
        order=">" if exif.startswith(b"MM") else "<",
        xmp=xmp.encode() if isinstance(xmp, str) else xmp if isinstance(xmp, bytes) else None,
        photoshop=photoshop,
        dpi=_dpi(image),
        text=text,
        comment=comment if isinstance(comment, bytes) else None,
    )


def _of_tiff_page(image: TiffImagePlugin.TiffImageFile, stream: BinaryIO, note: Callable[[str], None]) -> Metadata:
    order = layout_of(stream).order
    try:
        tags = read_tags(stream, image.tell(), without=NOT_CARRIED)
    except ValueError as error:
        note(f"its tags are left out ({error})")
        tags = {}
    if PHOTOSHOP_LAYERS in image.tag_v2:
        note("Photoshop's layers are left out; what they look like together is coloured")
    blobs = {number: tag.content for number in (XMP, IPTC, PHOTOSHOP) if isinstance(tag := tags.pop(number, None), Tag)}
    return Metadata(
        exif=tag_block(tags, order) if tags else None,
        order=order,
        xmp=blobs.get(XMP),
        photoshop=blobs.get(PHOTOSHOP),
        iptc=blobs.get(IPTC),
        dpi=_dpi(image) if 282 in image.tag_v2 else None,  # without it, Pillow says 1
    )


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    with contextlib.suppress(KeyError, TypeError, ValueError, ZeroDivisionError):
        x, y = (float(number) for number in image.info["dpi"])
        return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None
    return None


def orientation(metadata: Metadata) -> int:
    """EXIF's number, 1 to 8, for how the stored pixels are to be turned to stand upright."""
    number = parse_exif(metadata.exif).get(ExifTags.Base.Orientation, 1)
    return number if number in range(1, 9) else 1


def parse_exif(exif: bytes | None) -> Image.Exif:
    """The fields of an EXIF block; none of a broken one."""
    fields = Image.Exif()
    if exif:
        with (
            warnings.catch_warnings(),
            contextlib.suppress(Exception),
        ):  # what Pillow raises on broken blocks is not said
            warnings.simplefilter("ignore")
            fields.load(b"Exif\0\0" + exif)
    return fields
