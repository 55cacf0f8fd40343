"""Pixels as a viewer would show them, or an error that says why not."""

import io
import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from data.photos import encode, picture, sample
from scenehue.data.decode import decode, decode_rgb
from scenehue.errors import PhotoError


def difference(first, second) -> float:
    assert np.shape(first) == np.shape(second)
    return float(np.abs(np.asarray(first, float) - np.asarray(second, float)).mean())


@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 90}, 3),
        ("JPEG", {"quality": 95}, 3),
        ("JPEG", {"quality": 95, "progressive": True}, 3),
    ],
)
def test_every_format_gives_back_the_picture(format, options, tolerance):
    image = picture(1)
    pixels = decode_rgb(encode(image, format, **options))
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert difference(pixels, image) <= tolerance


def test_jpeg_equals_opencv():
    data = sample("koala")
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(decode_rgb(data).astype(int) - expected).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied(format, orientation):
    upright = picture(2, 96, 64)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(stored, format, exif=exif)
    photo = decode(data, short_side=32)
    assert (photo.original_width, photo.original_height, photo.pixels.shape) == (96, 64, (32, 48, 3))
    assert difference(decode_rgb(data), upright) < 4
    assert difference(decode_rgb(data), ImageOps.exif_transpose(Image.open(io.BytesIO(data)))) == 0


def test_scaled_decoding_is_close_to_decoding_and_scaling():
    image = picture(3, 1400, 1000)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(image, exif=exif)
    pixels = decode_rgb(data, short_side=200)
    assert pixels.shape == (280, 200, 3)
    assert difference(pixels, image.rotate(-90, expand=True).resize((200, 280), Image.Resampling.BOX)) < 2


def test_small_photos_are_not_enlarged():
    assert decode_rgb(encode(picture(1)), short_side=500).shape == (120, 160, 3)


def test_scaling_keeps_a_side_of_one_pixel():
    assert decode_rgb(encode(picture(1, 500, 1), "PNG"), short_side=1).shape == (1, 500, 3)


def swapped_profile() -> bytes:
    """The sRGB profile with red and green swapped, so that nobody can overlook its effect."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    count = struct.unpack(">I", srgb[128:132])[0]
    tags = {srgb[132 + 12 * i : 136 + 12 * i]: 136 + 12 * i for i in range(count)}
    profile = bytearray(srgb)
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    profile[red : red + 8], profile[green : green + 8] = srgb[green : green + 8], srgb[red : red + 8]
    return bytes(profile)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_profiles_are_converted(format):
    data = encode(Image.new("RGB", (64, 48), (200, 40, 30)), format, icc_profile=swapped_profile())
    assert np.abs(decode_rgb(data)[20, 20].astype(int) - (40, 200, 30)).max() <= 4


def test_an_srgb_profile_changes_nothing():
    image = picture(4)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert difference(decode_rgb(encode(image, "PNG", icc_profile=profile)), image) == 0


@pytest.mark.parametrize("profile", [b"not a profile", b"\0" * 200])
def test_broken_profiles_are_ignored(profile):
    image = picture(4)
    assert difference(decode_rgb(encode(image, "PNG", icc_profile=profile)), image) == 0


def test_a_profile_of_another_mode_is_ignored():
    image = picture(4).convert("L")
    assert difference(decode_rgb(encode(image, "PNG", icc_profile=swapped_profile())), image.convert("RGB")) == 0


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk(format):
    data = encode(picture(5).convert("CMYK"), format)
    assert Image.open(io.BytesIO(data)).mode == "CMYK"
    assert difference(decode_rgb(data, short_side=100), picture(5).resize((133, 100), Image.Resampling.BOX)) < 4


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bits(format):
    deep = np.random.default_rng(0).integers(0, 65536, (40, 50, 3)).astype(np.uint16)
    if format == "TIFF":
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, deep, photometric="rgb")
        data = buffer.getvalue()
    else:
        data = cv2.imencode(".png", deep[..., ::-1])[1].tobytes()
    assert np.abs(decode_rgb(data) - deep / 257).max() <= 1


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey(format):
    deep = np.linspace(0, 65535, 40 * 50).reshape(40, 50).astype(np.uint16)
    pixels = decode_rgb(encode(Image.fromarray(deep), format))
    assert np.abs(pixels - deep[..., None] / 257).max() <= 1


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_grey_and_palettes(mode):
    image = picture(6).convert(mode)
    assert difference(decode_rgb(encode(image, "PNG")), image.convert("RGB")) == 0


def half_transparent(mode: str) -> tuple[bytes, np.ndarray]:
    """A PNG whose left half cannot be seen, and what it looks like on white paper."""
    image = (
        picture(7).quantize(200).convert("RGB") if mode == "P" else picture(7).convert("L" if mode == "LA" else "RGB")
    )
    shown = np.array(image.convert("RGB"))
    shown[:, :80] = 255
    if mode == "P":
        indexed = picture(7).quantize(200)
        left, right = slice(0, 80), slice(80, None)
        pixels = np.array(indexed)
        pixels[:, left] = 0
        shown[:, right][pixels[:, right] == 0] = 255
        indexed.paste(Image.fromarray(pixels), (0, 0))
        return encode(indexed, "PNG", transparency=0), shown
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 80, 120))
    image.putalpha(alpha)
    return encode(image, "PNG"), shown


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_over_white(mode):
    data, shown = half_transparent(mode)
    assert difference(decode_rgb(data), shown) == 0


def test_a_transparent_colour_is_laid_over_white():
    image = picture(8)
    image.paste((1, 2, 3), (0, 0, 80, 120))
    pixels = decode_rgb(encode(image, "PNG", transparency=(1, 2, 3)))
    assert (pixels[:, :80] == 255).all()
    assert difference(pixels[:, 80:], np.asarray(image)[:, 80:]) == 0


def bomb(side: int = 50_000) -> bytes:
    """A PNG of a few hundred bytes that claims side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def test_decompression_bombs_are_refused_before_decoding():
    with pytest.raises(
        PhotoError, match=r"^x\.png: decompression bomb: 2500 megapixels, above max_megapixels \(200\)$"
    ):
        decode_rgb(bomb(), max_megapixels=200, name="x.png")


def test_the_limit_is_the_callers_and_not_pillows(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_rgb(encode(picture(1)), max_megapixels=0.0192).shape == (120, 160, 3)
    with pytest.raises(PhotoError, match="decompression bomb"):
        decode_rgb(encode(picture(1)), max_megapixels=0.0191)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.97])
def test_truncated_files_are_refused(format, kept):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8))
    data = encode(noise, format)
    with pytest.raises(PhotoError, match=r"^torn: unreadable: "):
        decode_rgb(data[: int(len(data) * kept)], short_side=64, name="torn")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "unreadable: empty file"),
        (
            b"<!DOCTYPE html><title>404</title>",
            "unreadable: not a JPEG, PNG, WebP or TIFF photo, whatever its name says",
        ),
        (b"GIF89a" + bytes(100), "unreadable: not a JPEG, PNG, WebP or TIFF photo, whatever its name says"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "unreadable: not a JPEG, PNG, WebP or TIFF photo, whatever its name says"),
    ],
)
def test_what_is_no_photo_is_refused(data, reason):
    with pytest.raises(PhotoError) as caught:
        decode_rgb(data, name="a/b.jpg")
    assert (caught.value.path, caught.value.reason) == ("a/b.jpg", reason)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("magic", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"II*\0", b"MM\0*"])
def test_garbage_after_the_right_first_bytes_is_refused(magic):
    with pytest.raises(PhotoError, match="unreadable"):
        decode_rgb(magic + np.random.default_rng(0).bytes(500))


def test_32_bit_pixels_are_refused():
    with pytest.raises(PhotoError, match="32 bits"):
        decode_rgb(encode(Image.new("F", (64, 64)), "TIFF"))


@pytest.mark.parametrize("size", [(63, 500), (500, 63), (1, 1)])
def test_too_small_photos_are_refused_on_demand(size):
    with pytest.raises(PhotoError, match=rf"too small: {size[0]}x{size[1]}, below min_side \(64\)"):
        decode(encode(Image.new("RGB", size), "PNG"), min_side=64)


def test_a_photo_without_pixels_is_refused():
    with pytest.raises(PhotoError):
        decode_rgb(bomb(0), short_side=64)
