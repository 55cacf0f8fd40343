"""Tries a packaged model as production would: ``python smoke_script.py PACKAGE``, in a process of its own.

It needs nothing of this project, since the package brings its code. It prints what it tried, or raises.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

SHAPES = ((48, 64), (7, 90), (1, 50), (50, 1), (1, 1))
TOLERANCE = 2.0
"""Largest change of L by rounding to 8 bits."""


def photo(height: int, width: int) -> Any:
    """A picture with edges, (H, W) uint8."""
    rows, columns = np.mgrid[0:height, 0:width]
    return ((rows * 5 + columns * 3) % 200 + 30 * ((columns // 8) % 2)).astype(np.uint8)


def lightness(pixels: Any) -> Any:
    """L of sRGB, (H, W)."""
    values = np.asarray(pixels, np.float64) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.212671, 0.715160, 0.072169])
    return np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)


def main(package: str) -> None:
    """Loads the package, and colours pictures of several shapes, given as files and as arrays."""
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    import mlflow

    model = mlflow.pyfunc.load_model(package)
    greys = [photo(*shape) for shape in SHAPES]
    files = []
    for index, grey in enumerate(greys):
        file = io.BytesIO()
        Image.fromarray(grey).save(file, "JPEG" if index == 0 else "PNG", **({"quality": 100} if index == 0 else {}))
        files.append(file.getvalue())
    arrays = [np.repeat(grey[..., None], 3, axis=-1) for grey in greys]
    for params in ({}, {"decoder": "reg", "size": 64, "saturation": 1.0}):
        pictures = model.predict(pd.DataFrame({"photo": files}), params=params)["photo"]
        opened = [np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")) for picture in pictures]
        for picture, array in zip(opened, arrays, strict=True):
            check(picture, array)
        for picture, array in zip(
            model.predict(pd.DataFrame({"photo": arrays}), params=params)["photo"], arrays, strict=True
        ):
            check(picture, array)
    print(f"{len(SHAPES)} pictures from {SHAPES[0][0]} x {SHAPES[0][1]} to 1 x 1, as files and as arrays")


def check(colored: Any, original: Any) -> None:
    """Compares a result with its original: same shape, same lightness."""
    if colored.shape != original.shape or colored.dtype != np.uint8:
        raise AssertionError(f"{original.shape} came out as {colored.shape} of {colored.dtype}")
    change = float(np.abs(lightness(colored) - lightness(original)).max())
    if not change <= TOLERANCE:
        raise AssertionError(f"the lightness of a picture of {original.shape} changed by {change:.1f}")


if __name__ == "__main__":
    main(sys.argv[1])
