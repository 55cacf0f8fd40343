"""Small archives of exactly the layout in which COCO-Stuff and DIV2K are given out, made of the sample's photos."""

import hashlib
import io
import zipfile

import numpy as np
from PIL import Image

from data.photos import SAMPLE, encode
from scenehue.data.coco_classes import from_panoptic

PHOTOS = sorted(SAMPLE.glob("*.jpg"))
PANOPTIC = np.array([0, 1, 22, 90, 95, 155, 184, 187, 193, 200], np.uint8)
"""Category ids that the maps hold: things, stuff, merged stuff, and none."""


def panoptic_map(width: int, height: int, seed: int) -> np.ndarray:
    """Blocks of category ids, 20 pixels a side."""
    rough = np.random.default_rng(seed).choice(PANOPTIC, (height // 20 + 1, width // 20 + 1))
    return rough.repeat(20, 0).repeat(20, 1)[:height, :width]


def coco_archives(train: int, val: int, without_map: int = 0, start: int = 0) -> dict[str, bytes]:
    """The three zips; photographs as in the sample, named by numbers as COCO's are.

    Args:
        train: Photographs in ``train2017``.
        val: Photographs in ``val2017``.
        without_map: How many of ``train2017`` have none.
        start: Photographs of the sample to skip.
    """
    files = {"train2017.zip": io.BytesIO(), "val2017.zip": io.BytesIO(), "stuffthingmaps.zip": io.BytesIO()}
    photos, vals, maps = (zipfile.ZipFile(file, "w") for file in files.values())
    with photos, vals, maps:
        photos.mkdir("train2017")
        vals.mkdir("val2017")
        for number, path in enumerate(PHOTOS[start : start + train + val]):
            folder, file = ("train2017", photos) if number < train else ("val2017", vals)
            name = f"{folder}/{number * 37:012}"
            # COCO's own are stored; a mirror may have packed them anew.
            file.write(path, f"{name}.jpg", zipfile.ZIP_DEFLATED if number % 3 else zipfile.ZIP_STORED)
            if number >= without_map:
                values = from_panoptic(panoptic_map(*Image.open(path).size, number))
                maps.writestr(f"{name}.png", encode(Image.fromarray(values), "PNG"), zipfile.ZIP_DEFLATED)
    return {name: file.getvalue() for name, file in files.items()}


def div2k_archives(photos: int, start: int = 0) -> dict[str, bytes]:
    """The two zips of the validation photographs; the small ones a quarter as big, by bicubic interpolation."""
    files = {"DIV2K_valid_HR.zip": io.BytesIO(), "DIV2K_valid_LR_bicubic_X4.zip": io.BytesIO()}
    full, small = (zipfile.ZipFile(file, "w") for file in files.values())
    with full, small:
        for number, path in enumerate(PHOTOS[start : start + photos], 801):
            image = Image.open(path)
            quarter = image.resize((image.width // 4, image.height // 4), Image.Resampling.BICUBIC)
            full.writestr(f"DIV2K_valid_HR/{number:04}.png", encode(image, "PNG"))
            small.writestr(f"DIV2K_valid_LR_bicubic/X4/{number:04}x4.png", encode(quarter, "PNG"))
    return {name: file.getvalue() for name, file in files.items()}


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
