"""What a photo file carries beside its pixels."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass, field

from PIL import ExifTags, Image, TiffImagePlugin

# Tags that describe how a TIFF stores its pixels, or that are carried over by other means; they mean nothing elsewhere.
_STRUCTURE = {*range(254, 260), 262, 266, 273, *range(277, 285), 296, 317, *range(320, 326), 330, 338, 339, 347}
_STRUCTURE |= {529, 530, 531, 532, 700, 33723, 34377, 34675}


@dataclass(frozen=True)
class Metadata:
    """What is carried over from the original to the result.

    Attributes:
        exif: TIFF-like block, without the ``Exif`` signature.
        xmp: XML packet.
        photoshop: Photoshop's resource blocks, which hold the IPTC fields.
        iptc: The IPTC fields by themselves, as some TIFF files have them.
        dpi: Pixels per inch, along x and y.
        text: Further texts of a PNG file.
        comment: Of a JPEG file.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    photoshop: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: dict[str, str] = field(default_factory=dict)
    comment: bytes | None = None


def read_metadata(image: Image.Image) -> Metadata:
    """Collects the metadata of an opened image; broken fields are left out."""
    # First of all, since it makes Pillow read a PNG to its end, where XMP and EXIF may be.
    text = {key: str(value) for key, value in getattr(image, "text", {}).items() if key != "XML:com.adobe.xmp"}
    info = image.info
    exif = info.get("exif")
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")
    iptc = None
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # whose `info` still holds the page before
        # IPTC as its bytes are stored: some programs call them whole numbers, of which Pillow gives the first.
        exif, xmp, iptc = _tiff_exif(image), image.tag_v2.get(700), image.tag_v2._tagdata.get(33723)
    if isinstance(exif, bytes):
        exif = exif.removeprefix(b"Exif\0\0")
    dpi = None
    with contextlib.suppress(KeyError, TypeError, ValueError, ZeroDivisionError):
        # A TIFF that says nothing of its resolution is given 1 by Pillow.
        said = not isinstance(image, TiffImagePlugin.TiffImageFile) or 282 in image.tag_v2
        x, y = (float(number) for number in info["dpi"]) if said else (0, 0)
        dpi = (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None
    photoshop = None
    for marker, segment in getattr(image, "applist", []):
        if marker == "APP13" and segment.startswith(b"Photoshop 3.0\0"):
            photoshop = (photoshop or b"") + segment[14:]
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        photoshop = image.tag_v2.get(34377)
    comment = info.get("comment")
    return Metadata(
        exif=exif if isinstance(exif, bytes) and exif[:4] in (b"II*\0", b"MM\0*") else None,
        xmp=xmp.encode() if isinstance(xmp, str) else xmp if isinstance(xmp, bytes) else None,
        photoshop=photoshop if isinstance(photoshop, bytes) else None,
        iptc=iptc,
        dpi=dpi,
        text=text,
        comment=comment if isinstance(comment, bytes) else None,
    )


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


def _tiff_exif(image: TiffImagePlugin.TiffImageFile) -> bytes | None:
    """An EXIF block of a TIFF page's own tags, camera and place included."""
    fields = Image.Exif()
    with contextlib.suppress(Exception):
        own = image.getexif()
        for tag, value in own.items():
            if tag not in _STRUCTURE and tag not in (
                ExifTags.IFD.Exif,
                ExifTags.IFD.GPSInfo,
                ExifTags.Base.Orientation,
            ):
                fields[tag] = value
        for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            values = own.get_ifd(ifd)
            if values:
                fields[ifd] = dict(values)
        return fields.tobytes() if len(fields) else None
    return None
