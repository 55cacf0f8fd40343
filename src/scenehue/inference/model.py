"""What prediction needs of a network: lightness in, decoded chroma out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Decoder:
    """How colour distributions become one colour a pixel.

    Args:
        name: ``reg`` (the regression head), ``mode``, ``mean``, ``annealed``, or ``vivid`` (an annealed mean with the
            temperature and saturation that the model's card chose by validation).
        temperature: Of the annealed mean; 1 is the mean, towards 0 the mode (Zhang et al. 2016, equation 5).
        saturation: Factor on the decoded chroma.
    """

    name: str = "reg"
    temperature: float = 0.38
    saturation: float = 1.0


REG = Decoder()
"""The regression head as it is."""


class ChromaModel(Protocol):
    """A network that predicts chroma, whatever runs it."""

    size: int
    """Short side, in pixels, that it was trained for."""
    multiple: int
    """The heights and widths it takes are multiples of this."""
    scales: tuple[float, ...]
    """Sizes, relative to the working size, at which it is to see a photograph; what it says of each is averaged."""

    def chroma(self, lightness: npt.NDArray[np.float32], decoder: Decoder) -> npt.NDArray[np.float32]:
        """Predicts the chroma of a batch.

        Args:
            lightness: (N, H, W), L in 0..100.
            decoder: How the prediction is decoded.

        Returns:
            (N, 2, h, w): ab in Lab units, ``h`` and ``w`` being ``H`` and ``W`` divided by the network's stride.
        """
        ...
