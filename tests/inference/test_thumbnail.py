import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from inference.files import encoded, picture
from scenehue.inference.colorizer import Colorizer
from scenehue.inference.thumbnail import recolored

RED = np.full((300, 400, 3), (200, 30, 30), np.uint8)


def block(thumbnail: bytes, order: str = "<") -> bytes:
    """An EXIF block as cameras write it: a directory with the maker, one with the thumbnail, the thumbnail."""
    first, second = 8, 8 + 2 + 12 + 4
    place = second + 2 + 24 + 4
    head = b"II*\0" if order == "<" else b"MM\0*"
    entries = [(0x010F, 2, 4, int.from_bytes(b"Me!\0", "little" if order == "<" else "big"))]
    small = [(0x0201, 4, 1, place), (0x0202, 4, 1, len(thumbnail))]
    return b"".join(
        [
            head + struct.pack(order + "I", first),
            struct.pack(order + "H", 1) + struct.pack(order + "HHII", *entries[0]) + struct.pack(order + "I", second),
            struct.pack(order + "H", 2) + b"".join(struct.pack(order + "HHII", *entry) for entry in small) + bytes(4),
            thumbnail + b"what follows",
        ]
    )


def thumbnail_of(exif: Image.Exif, whole: bytes) -> Image.Image:
    """The thumbnail as Pillow finds it."""
    fields = exif.get_ifd(ExifTags.IFD.IFD1)
    start = fields[ExifTags.Base.JpegIFOffset]
    return Image.open(io.BytesIO(whole[start : start + fields[ExifTags.Base.JpegIFByteCount]]))


def loaded(exif: bytes) -> Image.Exif:
    fields = Image.Exif()
    fields.load(b"Exif\0\0" + exif)
    return fields


GREY = encoded(picture(160, 120).convert("L"), "JPEG", quality=90)


HUGE = encoded(Image.new("L", (6000, 8)), "JPEG")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("seen", [RED, RED.astype(np.uint16) * 257, RED[:, :200]])
def test_the_thumbnail_is_coloured_and_nothing_else_moves(order: str, seen: np.ndarray) -> None:
    before = block(GREY, order)
    after = recolored(before, seen)
    assert len(after) == len(before)
    assert after.endswith(b"what follows")
    assert loaded(after)[271] == "Me!"
    thumbnail = thumbnail_of(loaded(after), after)
    assert thumbnail.size == (160, 120)
    assert np.asarray(thumbnail.convert("RGB"))[60, 80] == pytest.approx((200, 30, 30), abs=8)


@pytest.mark.parametrize("thumbnail", [b"", b"no picture", GREY[:50], encoded(picture(4, 4), "PNG"), HUGE])
def test_what_is_no_thumbnail_stays(thumbnail: bytes) -> None:
    assert recolored(block(thumbnail), RED) == block(thumbnail)


def test_a_thumbnail_that_no_coloured_one_fits_stays() -> None:
    tiny = encoded(Image.new("L", (160, 120)), "JPEG", quality=1)
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    assert recolored(block(tiny), noise) == block(tiny)


@given(st.integers(0, len(block(b"")) + 30), st.binary(min_size=1, max_size=6))
def test_broken_blocks_are_left_as_they_are_or_stay_as_long(at: int, junk: bytes) -> None:
    whole = block(GREY)
    broken = whole[:at] + junk + whole[at + len(junk) :]
    assert len(recolored(broken, RED)) == len(broken)
    assert recolored(broken[:at], RED) == broken[:at]


def test_a_coloured_photo_shows_colour_in_a_file_manager(tinter, tmp_path) -> None:
    source = tmp_path / "scan.jpg"
    source.write_bytes(encoded(picture(640, 480).convert("L"), "JPEG", exif=b"Exif\0\0" + block(GREY)))
    Colorizer(tinter, tinter.card).convert(source, tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as result:
        small = thumbnail_of(result.getexif(), result.info["exif"][6:]).convert("RGB")
        wanted = result.convert("RGB").resize(small.size)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(wanted)).mean() < 6
