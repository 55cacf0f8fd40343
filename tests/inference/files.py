"""Small photo files of every kind, made by libraries of other people."""

import io

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

ADOBE_RGB = imagecodecs.cms_profile("adobergb")
GREY_GAMMA = imagecodecs.cms_profile("gray", gamma=1.8)
EXIF_IFD, GPS_IFD = 0x8769, 0x8825


def picture(width=48, height=32) -> Image.Image:
    """Smooth colours with an edge."""
    y, x = np.mgrid[:height, :width] / [[[height]], [[width]]]
    rgb = np.stack([x, y, (x + y > 1) * 0.8 + 0.1], axis=-1)
    return Image.fromarray((rgb * 255).astype(np.uint8))


def exif(orientation=1) -> Image.Exif:
    fields = Image.Exif()
    fields[271] = "Maker"
    fields[274] = orientation
    fields[33432] = "Somebody"
    fields[EXIF_IFD] = {0x9003: "1899:12:31 23:59:59"}
    fields[GPS_IFD] = {1: "N", 2: (52.0, 30.0, 0.5)}
    return fields


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(pixels, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def deep(image: Image.Image) -> np.ndarray:
    """16 bits, the lower ones not simply the upper ones again."""
    pixels = np.asarray(image).astype(np.uint16) * 257
    return pixels ^ np.random.default_rng(0).integers(0, 256, pixels.shape, dtype=np.uint16)


def every_kind() -> dict[str, bytes]:
    """A name and a file of every kind that is accepted."""
    rgb = picture()
    grey, rgba = rgb.convert("L"), rgb.convert("RGBA")
    rgba.putalpha(grey)
    palette = rgb.quantize(16)
    deep_rgb, deep_grey = deep(rgb), deep(grey)
    sepia = Image.merge("RGB", [grey.point(lambda v, k=k: int(v * k)) for k in (1.0, 0.85, 0.65)])
    return {
        "rgb.jpg": encoded(rgb, "JPEG", exif=exif(), dpi=(300, 300), icc_profile=ADOBE_RGB),
        "grey.jpg": encoded(grey, "JPEG"),
        "sepia.jpg": encoded(sepia, "JPEG"),
        "cmyk.jpg": encoded(rgb.convert("CMYK"), "JPEG"),
        "progressive.jpg": encoded(rgb, "JPEG", progressive=True),
        "rgb.png": encoded(rgb, "PNG", exif=exif(), dpi=(300, 300)),
        "alpha.png": encoded(rgba, "PNG"),
        "grey-alpha.png": encoded(rgba.convert("LA"), "PNG"),
        "palette.png": encoded(palette, "PNG"),
        "palette-alpha.png": encoded(palette, "PNG", transparency=palette.getpixel((5, 5))),
        "color-key.png": encoded(rgb, "PNG", transparency=(0, 0, 25)),
        "bilevel.png": encoded(grey.convert("1"), "PNG"),
        "deep.png": imagecodecs.png_encode(deep_rgb),
        "deep-alpha.png": imagecodecs.png_encode(np.dstack([deep_rgb, deep_grey])),
        "deep-grey.png": imagecodecs.png_encode(deep_grey),
        "lzw.tif": encoded(rgb, "TIFF", compression="tiff_lzw", dpi=(300, 300)),
        "fax.tif": encoded(grey.convert("1"), "TIFF", compression="group4"),
        "cmyk.tif": encoded(rgb.convert("CMYK"), "TIFF"),
        "lab.tif": encoded(rgb.convert("LAB"), "TIFF"),
        "pages.tif": encoded(
            picture(), "TIFF", save_all=True, append_images=[picture().convert("L"), picture().rotate(90, expand=True)]
        ),
        "deep.tif": tiff(deep_rgb, photometric="rgb", compression="lzw", predictor=True, resolution=(300, 300)),
        "deep-planes.tif": tiff(np.moveaxis(deep_rgb, -1, 0), photometric="rgb", planarconfig="separate"),
        "deep-alpha.tif": tiff(np.dstack([deep_rgb, deep_grey]), photometric="rgb", extrasamples=["unassalpha"]),
        "deep-grey.tif": tiff(deep_grey, photometric="minisblack"),
        "deep-cmyk.tif": tiff(np.dstack([deep_rgb, deep_grey]), photometric="separated"),
        "rgb.webp": encoded(rgb, "WEBP", exif=exif()),
        "alpha.webp": encoded(rgba, "WEBP", lossless=True),
        "rgb.avif": encoded(rgb, "AVIF", exif=exif()),
        "still.gif": encoded(palette, "GIF"),
        "bitmap.bmp": encoded(rgb, "BMP"),
        "grey.pgm": encoded(grey, "PPM"),
    }


def heic() -> bytes:
    import pillow_heif

    buffer = io.BytesIO()
    image = pillow_heif.from_pillow(picture())
    image.save(buffer, quality=90)
    return buffer.getvalue()
