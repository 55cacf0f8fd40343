"""Tags as bytes; the oracles are tifffile and Pillow, and damage of every kind."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from inference.files import EXIF_IFD, GPS_IFD, encoded, exif, picture
from scenehue.inference.tags import EXIF, GPS, INTEROPERABILITY, LARGEST, Tag, add_tags, read_tags, swapped, tag_block


def pages(order="<", big=False):
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, bigtiff=big, byteorder=order) as writer:
        for number in range(3):
            tags = [(65000, "I", 3, [number, 2, 70000], False), (65001, "s", 0, f"page {number}", False)]
            writer.write(np.full((8, 8), number, np.uint8), metadata=None, contiguous=False, extratags=tags)
    return stream


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_pages_are_read_and_added_to_as_others_see_it(order, big):
    stream = pages(order, big)
    before = stream.getvalue()
    for number in range(3):
        tags = read_tags(stream, number, without={65001})
        assert tags[65000] == Tag(4, struct.pack(order + "3I", number, 2, 70000))
        assert 65001 not in tags
    camera = {36867: Tag(2, b"1899:12:31 23:59:59\0"), INTEROPERABILITY: {1: Tag(2, b"R98\0")}}
    words = struct.pack(order + "2H", 1, 2)
    add_tags(stream, {0: {EXIF: camera, 65001: Tag(2, b"new\0")}, 2: {65002: Tag(3, words)}})
    with tifffile.TiffFile(io.BytesIO(stream.getvalue())) as written:
        assert [page.asarray()[0, 0] for page in written.pages] == [0, 1, 2]
        assert [page.tags[65001].value for page in written.pages] == ["new", "page 1", "page 2"]
        assert written.pages[0].tags[EXIF].value["DateTimeOriginal"] == "1899:12:31 23:59:59"
        assert written.pages[2].tags[65002].value == (1, 2)
        assert all(list(page.tags.keys()) == sorted(page.tags.keys()) for page in written.pages)
    assert read_tags(stream)[EXIF] == camera
    changed = sum(old != new for old, new in zip(before, stream.getvalue(), strict=False))
    assert changed <= 16  # no more than the places of two directories


def test_a_block_is_read_as_pillow_wrote_it_and_the_other_way_round():
    block = exif(6).tobytes()[6:]
    tags = read_tags(io.BytesIO(block))
    assert tags[271] == Tag(2, b"Maker\0")
    assert tags[EXIF] == {0x9003: Tag(2, b"1899:12:31 23:59:59\0")}
    image = Image.open(io.BytesIO(encoded(picture(), "JPEG", exif=b"Exif\0\0" + tag_block(swapped(tags)))))
    assert dict(image.getexif()) | {EXIF_IFD: 0, GPS_IFD: 0} == dict(exif(6)) | {EXIF_IFD: 0, GPS_IFD: 0}
    assert image.getexif().get_ifd(GPS)[2] == (52.0, 30.0, 0.5)


def test_damage_is_said_or_left_out_and_never_fills_the_memory():
    whole = pages().getvalue()
    with pytest.raises(ValueError, match="no directory"):
        read_tags(io.BytesIO(whole), 3)
    with pytest.raises(ValueError, match="no TIFF file"):
        read_tags(io.BytesIO(b"II"))
    with pytest.raises(ValueError, match="cut off"):
        read_tags(io.BytesIO(b"II*\0\x08\0\0\0\x05\0"))
    far = struct.pack("<HHII", 271, 2, 100, 1 << 30) + struct.pack("<HHII", 272, 99, 1, 0)
    assert read_tags(io.BytesIO(b"II*\0\x08\0\0\0\x02\0" + far + bytes(4))) == {}
    astray = struct.pack("<HHII", EXIF, 4, 1, 1 << 30) + struct.pack("<HHII", 297, 3, 1, 5)
    assert read_tags(io.BytesIO(b"II*\0\x08\0\0\0\x02\0" + astray + bytes(4))) == {297: Tag(3, b"\5\0")}
    circle = struct.pack("<HHII", EXIF, 4, 1, 8)
    assert read_tags(io.BytesIO(b"II*\0\x08\0\0\0\x01\0" + circle + bytes(4))) == {EXIF: {EXIF: {EXIF: {}}}}
    again = b"".join(struct.pack("<HHII", 1000 + number, 1, LARGEST // 8, 0) for number in range(9))
    with pytest.raises(ValueError, match="tags of more than 64 MB"):
        read_tags(io.BytesIO(b"II*\0\x08\0\0\0\x09\0" + again + bytes(LARGEST // 8)))


def test_a_block_that_ends_with_its_last_tag_is_added_to():
    stream = io.BytesIO(tag_block({297: Tag(3, b"\5\0")})[:-4])
    add_tags(stream, {0: {274: Tag(3, b"\6\0")}})
    assert read_tags(stream) == {297: Tag(3, b"\5\0"), 274: Tag(3, b"\6\0")}
    assert dict(Image.open(io.BytesIO(encoded(picture(), "PNG", exif=stream.getvalue()))).getexif()) == {297: 5, 274: 6}


def test_any_byte_changed_anywhere_raises_nothing_else():
    block = exif(6).tobytes()[6:]
    for position in range(len(block)):
        for value in (0, 1, 127, 255):
            damaged = block[:position] + bytes([value]) + block[position + 1 :]
            try:
                again = tag_block(read_tags(io.BytesIO(damaged)))
            except ValueError:
                continue
            read_tags(io.BytesIO(again))
