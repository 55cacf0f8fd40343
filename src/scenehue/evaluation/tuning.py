"""Sets a model's decoders: how much chroma, how sharp, judged on validation photographs at the network's own size.

Judged before chroma is brought to a photograph's size, the choice depends on nothing but the network.

Shapes: N photographs, h and w the sides of the network's map, the size at which they are seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize_scalar

from scenehue.color.gamut import fit_gamut
from scenehue.color.lab import lab_to_rgb, to_uint8
from scenehue.evaluation.colorfulness import colorfulness
from scenehue.evaluation.metrics import psnr

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]

TEMPERATURES = (1.0, 0.7, 0.5, 0.38)
MAX_SATURATION = 4.0
VIVIDNESS = 0.95
"""Share of the truth's colourfulness that is asked of the vivid decoder: the last of it costs the most PSNR."""
TOLERANCE = 0.01
AS_GOOD = 0.03
"""So much less PSNR, in dB, is held to be chance; the warmer of two temperatures, which is nearer to the mean, is then
the safer one on other photographs."""


def tune_reg(truths: Float32, predicted: Float32) -> dict[str, float]:
    """The saturation at which the regression head comes nearest to the truth, by mean PSNR.

    A network is surer of photographs like those it learnt from than of others, whose colours come out nearer to the
    truth when they are drawn towards grey; the mean of several looks is duller than each, and may need the contrary.

    Args:
        truths: (N, h, w, 3) Lab of photographs that it was not trained on; at least one.
        predicted: (N, h, w, 2) ab of the same photographs, in Lab units.

    Returns:
        ``saturation``, from 0 to 1.5.

    Example:
        >>> truth = np.dstack([np.full((8, 8), 60), *np.meshgrid(range(8), range(8))]).astype(np.float32)
        >>> tune_reg(truth[None], 2 * truth[None, ..., 1:])
        {'saturation': 0.5}
    """
    found = minimize_scalar(
        lambda saturation: -_psnr(truths, predicted, saturation),
        bounds=(0, 1.5),
        method="bounded",
        options={"xatol": TOLERANCE},
    )
    return {"saturation": round(float(found.x), 2)}


def tune_vivid(truths: Float32, predicted: Mapping[float, Float32]) -> dict[str, float]:
    """For each temperature finds the saturation that is nearly as colourful as the truth; keeps the best by mean PSNR.

    Of temperatures that are as good as the best, the warmest is kept.

    Args:
        truths: (N, h, w, 3) Lab of photographs that it was not trained on; at least one.
        predicted: (N, h, w, 2) ab of the same photographs, for each temperature of the annealed mean.

    Returns:
        ``temperature`` and ``saturation``.
    """
    target = VIVIDNESS * _colorfulness(_pictures(truths, truths[..., 1:]))

    def excess(temperature: float, saturation: float) -> float:
        return _colorfulness(_pictures(truths, saturation * predicted[temperature])) - target

    settings = [(temperature, _crossing(partial(excess, temperature))) for temperature in predicted]
    quality = {pair: _psnr(truths, predicted[pair[0]], pair[1]) for pair in settings}
    temperature, saturation = max(pair for pair in settings if quality[pair] >= max(quality.values()) - AS_GOOD)
    return {"temperature": temperature, "saturation": round(saturation, 2)}


def _crossing(excess: Callable[[float], float]) -> float:
    if excess(MAX_SATURATION) <= 0:
        return MAX_SATURATION
    return float(brentq(excess, 0, MAX_SATURATION, xtol=TOLERANCE)) if excess(0) < 0 else 0.0


def _psnr(truths: Float32, predicted: Float32, saturation: float) -> float:
    pairs = zip(_pictures(truths, truths[..., 1:]), _pictures(truths, saturation * predicted), strict=True)
    return float(np.mean([psnr(truth, picture) for truth, picture in pairs]))


def _colorfulness(pictures: UInt8) -> float:
    return float(np.mean([colorfulness(picture) for picture in pictures]))


def _pictures(truths: Float32, ab: Float32) -> UInt8:
    return to_uint8(lab_to_rgb(fit_gamut(np.concatenate([truths[..., :1], ab], axis=-1, dtype=np.float32))))
