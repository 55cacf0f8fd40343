"""The one prediction function: evaluation, packaged models, the command line and the `Colorizer` all call it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scenehue.color.lab import fit_gamut, lab_to_rgb, lightness, to_uint8
from scenehue.inference.model import REG, ChromaModel, Decoder
from scenehue.inference.upsample import resize, upsample_bilinear

Float32 = npt.NDArray[np.float32]

MAX_ASPECT = 4
"""Longer photographs are squeezed to this ratio of sides before the network sees them."""


def working_shape(height: int, width: int, size: int, multiple: int) -> tuple[int, int]:
    """Height and width at which the network sees a photograph.

    Args:
        height: Of the photograph, in pixels.
        width: Of the photograph, in pixels.
        size: Short side to reach.
        multiple: Both results are multiples of it.

    Returns:
        Height and width, the short one nearest to `size`, the long one at most `MAX_ASPECT` times as long.

    Example:
        >>> working_shape(3000, 4000, size=256, multiple=32)
        (256, 352)
    """
    short = max(1, round(size / multiple)) * multiple
    aspect = min(MAX_ASPECT, max(height, width) / min(height, width))
    long = max(1, round(short * aspect / multiple)) * multiple
    return (short, long) if height <= width else (long, short)


def predict_ab(model: ChromaModel, lightness_HW: Float32, size: int | None = None, decoder: Decoder = REG) -> Float32:
    """Predicts the chroma of one photograph at its full size, before it is reduced into gamut.

    Args:
        model: The network.
        lightness_HW: (H, W), L in 0..100, of any size.
        size: Working size: the short side that the network sees, in pixels; without it, the size the model was trained for.
        decoder: How the prediction is decoded.

    Returns:
        (H, W, 2): ab in Lab units.
    """
    height, width = lightness_HW.shape
    small = resize(lightness_HW, *working_shape(height, width, size or model.size, model.multiple))
    ab_2hw = model.chroma(np.clip(small, 0, 100)[None], decoder)[0]
    return upsample_bilinear(ab_2hw, height, width)


def predict(
    model: ChromaModel, photo: npt.NDArray[np.generic], size: int | None = None, decoder: Decoder = REG
) -> npt.NDArray[np.uint8]:
    """Colours one photograph; its own colours, if it has any, are not looked at.

    Args:
        model: The network.
        photo: (H, W, 3) sRGB or (H, W) sRGB grey: uint8 or uint16 over their whole range, or floats in 0..1.
        size: Working size: the short side that the network sees, in pixels; without it, the size the model was trained for.
        decoder: How the prediction is decoded.

    Returns:
        (H, W, 3) sRGB with the photograph's own lightness, chroma reduced where sRGB cannot show it.
    """
    lightness_HW = lightness(photo if photo.ndim == 3 else np.repeat(photo[..., None], 3, axis=-1))
    ab_HW2 = predict_ab(model, lightness_HW, size, decoder)
    lab = np.concatenate([lightness_HW[..., None], ab_HW2], axis=-1)
    return to_uint8(lab_to_rgb(fit_gamut(lab)))
