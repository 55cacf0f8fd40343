import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps, IptcImagePlugin
from PIL.PngImagePlugin import PngInfo
from skimage.color import rgb2lab

from inference.files import (
    ADOBE_RGB,
    EXIF_IFD,
    GPS_IFD,
    GREY_GAMMA,
    deep,
    encoded,
    every_kind,
    exif,
    heic,
    picture,
    tiff,
)
from scenehue.errors import PhotoError
from scenehue.inference.convert import Settings, convert
from scenehue.inference.formats import FORMATS, TIFF
from scenehue.inference.metadata import parse_exif
from scenehue.inference.photo_file import open_photo

KINDS = every_kind()


def colored(data, name, tinter, tmp_path, kind=None, chroma=20, **options):
    """Colours a file; the result as (opened photo, its pages, the original's notes, the path)."""
    tinter.amount = chroma
    photo = open_photo(io.BytesIO(data), name)
    kind = FORMATS[kind] if kind else photo.format
    path = tmp_path / f"result{kind.suffixes[0]}"
    convert(tinter, photo, path, kind, Settings(**options))
    result = open_photo(io.BytesIO(path.read_bytes()), "result")
    return result, list(result.pages()), photo.notes, path


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_keeps_size_lightness_and_what_it_carries(name, tinter, tmp_path):
    original = open_photo(io.BytesIO(KINDS[name]), name)
    pages = list(original.pages())
    result, new_pages, notes, _ = colored(KINDS[name], name, tinter, tmp_path)
    assert (result.width, result.height, result.count) == (original.width, original.height, original.count)
    for old, new in zip(pages, new_pages, strict=True):
        assert new.pixels.shape == (*old.pixels.shape[:2], 3)
        assert new.pixels.dtype == old.pixels.dtype
        assert new.profile == old.profile
        assert new.orientation == old.orientation
        if old.alpha is not None:
            assert np.array_equal(new.alpha, old.alpha)
        old_lightness, new_lightness = old.space.lightness(old.pixels), new.space.lightness(new.pixels)
        lossy = result.format.name in ("jpeg", "webp", "avif")
        assert np.abs(old_lightness - new_lightness).mean() < (1.5 if lossy else 0.25)
        if name not in ("bilevel.png", "fax.tif"):
            assert np.ptp(new.pixels.astype(float), axis=-1).mean() > 0.02 * np.iinfo(new.pixels.dtype).max
    if original.metadata.dpi:
        assert result.metadata.dpi == pytest.approx(original.metadata.dpi, rel=1e-4)
    if 271 in parse_exif(original.metadata.exif):
        fields = parse_exif(result.metadata.exif)
        assert (fields[271], fields[33432]) == ("Maker", "Somebody")
        assert fields.get_ifd(EXIF_IFD)[0x9003] == "1899:12:31 23:59:59"
        assert fields.get_ifd(GPS_IFD)[2] == (52.0, 30.0, 0.5)
    assert all("CMYK" in note for note in notes)


@pytest.mark.parametrize("name", ["rgb.jpg", "deep-alpha.png", "deep.tif", "palette-alpha.png", "grey.jpg"])
@pytest.mark.parametrize("kind", FORMATS)
def test_any_format_to_any_other(name, kind, tinter, tmp_path):
    if kind == "heic":
        pytest.importorskip("pillow_heif")
    result, pages, notes, _ = colored(KINDS[name], name, tinter, tmp_path, kind)
    assert (result.width, result.height) == (48, 32)
    assert any("16 bits" in note for note in notes) == ("deep" in name and not FORMATS[kind].deep)
    assert any("transparency" in note for note in notes) == ("alpha" in name and kind == "jpeg")
    assert (pages[0].alpha is not None) == ("alpha" in name and kind != "jpeg")
    if name == "rgb.jpg":
        assert parse_exif(result.metadata.exif)[271] == "Maker"
        assert pages[0].profile == ADOBE_RGB


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_turned_photos_stay_turned(orientation, kind, tinter, tmp_path):
    data = encoded(picture().convert("L"), kind, exif=exif(orientation).tobytes())
    _, _, _, path = colored(data, "turned", tinter, tmp_path)
    before = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("L")
    after = ImageOps.exif_transpose(Image.open(path)).convert("L")
    assert after.size == before.size
    assert np.abs(np.asarray(after).astype(int) - np.asarray(before)).mean() < 12


def test_turned_deep_tiff_stays_turned(tinter, tmp_path):
    data = tiff(deep(picture()), photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    _, pages, _, path = colored(data, "turned.tif", tinter, tmp_path)
    assert pages[0].orientation == 6
    assert tifffile.imread(path).shape == (32, 48, 3)


def test_sepia_is_turned_to_lightness(tinter, tmp_path):
    _, pages, _, _ = colored(KINDS["sepia.jpg"], "sepia.jpg", tinter, tmp_path, chroma=0)
    assert np.ptp(pages[0].pixels.astype(int), axis=-1).mean() < 2


def test_profile_keeps_its_meaning(tinter, tmp_path):
    image = picture()
    _, pages, _, _ = colored(encoded(image, "PNG", icc_profile=ADOBE_RGB), "a.png", tinter, tmp_path)
    _, plain, _, _ = colored(encoded(image, "PNG"), "a.png", tinter, tmp_path)
    assert pages[0].profile == ADOBE_RGB
    assert not np.array_equal(pages[0].pixels, plain[0].pixels)


def test_grey_profile_is_read_and_replaced_by_srgb(tinter, tmp_path):
    grey = Image.fromarray(np.full((32, 32), 128, np.uint8))
    _, pages, _, _ = colored(encoded(grey, "PNG", icc_profile=GREY_GAMMA), "g.png", tinter, tmp_path, chroma=0)
    expected = 116 * np.cbrt((128 / 255) ** 1.8) - 16
    assert rgb2lab(pages[0].pixels)[..., 0].mean() == pytest.approx(expected, abs=0.5)
    assert "sRGB".encode("utf-16-be") in pages[0].profile


def test_broken_profile_is_said(tinter, tmp_path):
    data = encoded(picture(), "PNG", icc_profile=ADOBE_RGB[:200])
    _, pages, notes, _ = colored(data, "a.png", tinter, tmp_path)
    assert pages[0].profile is None
    assert "ICC profile is broken" in notes[0]


def test_iptc_comment_and_xmp_stay(tinter, tmp_path):
    blocks = b"8BIM\x04\x04\0\0\0\0\0\x04abcd"
    segment = b"Photoshop 3.0\0" + blocks
    extra = b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment
    data = encoded(picture(), "JPEG", extra=extra, comment=b"from a box", xmp=b"<x:xmpmeta/>")
    result, *_ = colored(data, "a.jpg", tinter, tmp_path)
    assert result.metadata.photoshop == blocks
    assert result.metadata.comment == b"from a box"
    assert result.metadata.xmp == b"<x:xmpmeta/>"
    result, *_ = colored(data, "a.jpg", tinter, tmp_path, "tiff")
    assert (result.metadata.photoshop, result.metadata.xmp) == (blocks, b"<x:xmpmeta/>")


def test_iptc_of_a_tiff_stays(tinter, tmp_path):
    iptc = b"\x1c\x02x\0\x05Hello" + b"\0\0"
    words = struct.unpack("<3I", iptc)
    for tag in ((33723, "B", len(iptc), iptc, True), (33723, "I", len(words), words, True)):
        data = tiff(np.asarray(picture()), photometric="rgb", extratags=[tag])
        result, *_ = colored(data, "a.tif", tinter, tmp_path)
        assert result.metadata.iptc == iptc
        *_, path = colored(data, "a.tif", tinter, tmp_path, "jpeg")
        assert IptcImagePlugin.getiptcinfo(Image.open(path)) == {(2, 120): b"Hello"}


def test_pages_keep_what_is_said_of_each(tinter, tmp_path):
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for name, dpi, pixels in (("one", 100, picture()), ("two", 200, picture().convert("L")), ("", 300, picture())):
            options = {"description": name or None, "resolution": (dpi, dpi), "resolutionunit": "inch"}
            tags = [(700, "B", 8, b"<x:xmp/>", True)] if name == "one" else [(285, "s", 0, f"page of {dpi}", True)]
            writer.write(np.asarray(pixels), metadata=None, extratags=tags, **options)
    *_, path = colored(buffer.getvalue(), "a.tif", tinter, tmp_path)
    with tifffile.TiffFile(path) as written:
        pages = [
            {tag: page.tags[tag].value for tag in (270, 282, 285, 700) if tag in page.tags} for page in written.pages
        ]
    assert pages == [
        {270: "one", 282: (100, 1), 700: b"<x:xmp/>"},
        {270: "two", 282: (200, 1), 285: "page of 200"},
        {282: (300, 1), 285: "page of 300"},
    ]


@pytest.mark.parametrize("name", ["rgb.png", "deep.png"])
def test_what_stands_behind_the_pixels_of_a_png_stays(name, tinter, tmp_path):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    data = encoded(picture(), "PNG") if name == "rgb.png" else KINDS[name]
    late = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x:late/>") + chunk(b"eXIf", exif(6).tobytes()[6:])
    result, pages, _, _ = colored(data[:-12] + late + data[-12:], name, tinter, tmp_path)
    assert result.metadata.xmp == b"<x:late/>"
    assert parse_exif(result.metadata.exif)[271] == "Maker"
    assert pages[0].orientation == 6


def test_what_jpeg_cannot_hold_is_said_and_the_rest_stays(tinter, tmp_path):
    fields, texts = exif(6), PngInfo()
    fields[270] = "long " * 20000
    texts.add_text("Author", "Somebody")
    texts.add_itxt("XML:com.adobe.xmp", "long " * 20000)
    data = encoded(picture(), "PNG", exif=fields, pnginfo=texts, dpi=(300, 300))
    result, pages, notes, _ = colored(data, "a.png", tinter, tmp_path, "jpeg")
    assert (pages[0].orientation, result.metadata.dpi, result.metadata.xmp) == (6, (300, 300), None)
    assert [note.split(";")[0] for note in notes] == [
        "JPEG has no place for a PNG's texts",
        "JPEG holds no EXIF block of that size",
        "JPEG holds no XMP packet of that size",
    ]
    data = encoded(picture(), "JPEG", comment=b"from a box")
    assert colored(data, "a.jpg", tinter, tmp_path, "png")[2] == ["PNG has no place for a comment"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_broken_exif_block_is_no_obstacle(kind, tinter, tmp_path):
    if kind == "heic":
        pytest.importorskip("pillow_heif")
    data = encoded(picture(), "PNG", exif=b"Exif\0\0" + bytes(range(100)))
    assert colored(data, "a.png", tinter, tmp_path, kind)[0].metadata.exif is None or kind == "heic"


def test_what_the_block_does_not_say_is_added_and_nothing_else_moves(tinter, tmp_path):
    block = exif(6).tobytes().replace(b"Maker", "Köln".encode())
    data = encoded(picture(), "JPEG", dpi=(300, 300), exif=block)
    result, *_ = colored(data, "a.jpg", tinter, tmp_path, "webp")  # which has no other place for the resolution
    fields = parse_exif(result.metadata.exif)
    assert (fields[274], fields[282], fields[271].encode("latin-1").decode()) == (6, 300, "Köln")
    assert result.metadata.exif[8:].startswith(block[14:])


def test_a_broken_block_gives_way_to_what_must_be_said(tinter, tmp_path):
    block = b"Exif\0\0II*\0" + (1 << 20).to_bytes(4, "little")
    for kind in ("webp", "tiff"):
        data = encoded(picture(), "PNG", dpi=(300, 300), exif=block)
        result, _, notes, _ = colored(data, "a.png", tinter, tmp_path, kind)
        assert (
            result.metadata.dpi == pytest.approx((300, 300), abs=0.01)
            or round(parse_exif(result.metadata.exif)[282]) == 300
        )
        assert ["EXIF block is left out" in note for note in notes] == [True] * (kind == "tiff")


TAGS = [
    (269, 2, "Köln am Rhein".encode()),
    (315, 2, "Müller".encode("latin-1")),
    (297, 3, struct.pack("<2H", 3, 7)),  # the page's number
    (33550, 12, struct.pack("<3d", 0.5, 0.5, 0)),  # a map's scale and keys, as of aerial photographs
    (34735, 3, struct.pack("<8H", 1, 1, 0, 1, 1024, 0, 1, 1)),
    (40091, 1, "Hafen".encode("utf-16-le")),
    (65000, 9, struct.pack("<i", -5)),  # a scanner's own
    (65001, 5, struct.pack("<2I", 1, 3)),
]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["tiff", "jpeg", "png", "webp"])
def test_tags_of_any_kind_stay_to_the_byte(kind, order, tinter, tmp_path):
    units = {3: 2, 5: 4, 9: 4, 12: 8}
    tags = []
    for number, form, content in TAGS:
        swapped = np.frombuffer(content, f"u{units.get(form, 1)}").astype(f"{order}u{units.get(form, 1)}").tobytes()
        value = struct.unpack(f"{order}2I", swapped) if form == 5 else swapped
        tags.append((number, form, len(content) // {5: 8}.get(form, units.get(form, 1)), value, True))
    data = tiff(np.asarray(picture().convert("L")), photometric="minisblack", extratags=tags, byteorder=order)
    *_, path = colored(data, "a.tif", tinter, tmp_path, kind)
    if kind != "tiff":
        block = Image.open(path).info["exif"].removeprefix(b"Exif\0\0")
        path.write_bytes(block)
    with tifffile.TiffFile(io.BytesIO(data)) as before, tifffile.TiffFile(path) as after:
        assert before.byteorder == after.byteorder
        for number, form, *_ in TAGS:
            old, new = before.pages[0].tags[number], after.pages[0].tags[number]
            assert (new.dtype, new.count, raw(after, new)) == (form, old.count, raw(before, old))


def raw(file, tag):
    file.filehandle.seek(tag.valueoffset)
    return file.filehandle.read(tag.valuebytecount)


def test_layers_and_what_describes_grey_pixels_is_left_out(tinter, tmp_path):
    tags = [(37724, "B", 4, b"8BPS", True), (291, "H", 256, list(range(256)), True), (50706, "B", 4, b"\1\4\0\0", True)]
    data = tiff(np.asarray(picture().convert("L")), photometric="minisblack", extratags=tags)
    *_, notes, path = colored(data, "a.tif", tinter, tmp_path)
    assert notes == ["Photoshop's layers are left out; what they look like together is coloured"]
    with tifffile.TiffFile(path) as written:
        assert not {37724, 291, 50706} & {tag.code for tag in written.pages[0].tags}


def test_an_encoder_that_fails_names_the_photo(tinter, tmp_path, monkeypatch):
    monkeypatch.setattr(Image.Image, "save", lambda *_, **__: 1 / 0)
    with pytest.raises(PhotoError, match=r"a\.jpg: cannot be written as JPEG \(division by zero\)"):
        colored(KINDS["rgb.jpg"], "a.jpg", tinter, tmp_path)


def test_png_texts_stay(tinter, tmp_path):
    texts = PngInfo()
    texts.add_text("Author", "Somebody")
    texts.add_itxt("Title", "Überfahrt")
    result, *_ = colored(encoded(picture(), "PNG", pnginfo=texts), "a.png", tinter, tmp_path)
    assert result.metadata.text == {"Author": "Somebody", "Title": "Überfahrt"}


def test_compression_of_a_tiff_stays(tinter, tmp_path):
    for name, expected in (("lzw.tif", 5), ("deep.tif", 5), ("cmyk.tif", 1), ("fax.tif", 8)):
        *_, path = colored(KINDS[name], name, tinter, tmp_path)
        with tifffile.TiffFile(path) as written:
            assert written.pages[0].compression == expected


def test_heic_by_the_extra(tinter, tmp_path):
    pytest.importorskip("pillow_heif")
    result, pages, _, _ = colored(heic(), "a.heic", tinter, tmp_path)
    assert result.format.name == "heic"
    assert pages[0].pixels.shape == (32, 48, 3)


def test_heic_without_the_extra_says_what_to_install(monkeypatch):
    pytest.importorskip("pillow_heif")
    data = heic()
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(PhotoError, match=r"a\.heic: HEIC needs one more package: pip install 'scenehue\[heic\]'"):
        open_photo(io.BytesIO(data), "a.heic")


def test_several_pages_need_tiff(tinter, tmp_path):
    with pytest.raises(PhotoError, match="has 3 pages, and JPEG holds one"):
        colored(KINDS["pages.tif"], "pages.tif", tinter, tmp_path, "jpeg")


def test_big_tiff_carries_camera_and_place(tinter, tmp_path, monkeypatch):
    from scenehue.inference import tiff_writer

    monkeypatch.setattr(tiff_writer, "CLASSIC_TIFF_BYTES", 1)
    result, _, _, path = colored(KINDS["rgb.jpg"], "rgb.jpg", tinter, tmp_path, "tiff")
    assert path.read_bytes()[2] == 43
    assert result.format is TIFF
    fields = parse_exif(result.metadata.exif)
    assert fields.get_ifd(EXIF_IFD)[0x9003] == "1899:12:31 23:59:59"
    assert fields.get_ifd(GPS_IFD)[2] == (52.0, 30.0, 0.5)
