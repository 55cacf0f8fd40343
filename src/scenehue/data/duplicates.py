"""Photos that look the same: a perceptual hash, and a search for hashes that differ in a few bits.

The hash is the well-known DCT one (``phash`` of the package imagehash, but for how a photo is scaled). It is three
lines; that package would bring PyWavelets along, and opencv-contrib's own stands in the way of OpenCV's headless build.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

BITS = 64
_COSINES = np.cos(np.pi / 32 * np.outer(np.arange(8), np.arange(32) + 0.5)) / np.sqrt([[32.0]] + [[16.0]] * 7)


def perceptual_hash(rgb: npt.NDArray[np.uint8]) -> int:
    """64 bits that hardly change when a photo is scaled, compressed or brightened: the signs of its lowest frequencies.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        A bit for each of the 8x8 lowest DCT coefficients of the photo at 32x32 grey pixels: is it above their median?
    """
    grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (32, 32), interpolation=cv2.INTER_AREA)
    low = (_COSINES @ grey @ _COSINES.T).ravel()
    return int.from_bytes(np.packbits(low > np.sort(low)[31]).tobytes(), "big")


class NearDuplicates:
    """Finds, among the hashes added so far, those near a given one, without comparing it with all.

    A hash is cut into one band more than bits may differ. Of two hashes that near, at least one band is then equal (the
    pigeonhole principle), so only hashes that share a band are compared.

    Args:
        max_bits: How many bits of two near duplicates may differ.

    Example:
        >>> seen = NearDuplicates(max_bits=2)
        >>> seen.add(0b1111)
        >>> seen.find(0b1100), seen.find(0b1000)
        (0, None)
    """

    def __init__(self, max_bits: int) -> None:
        self._max_bits = max_bits
        edges = [BITS * band // (max_bits + 1) for band in range(max_bits + 2)]
        self._bands = [(low, (1 << high - low) - 1) for low, high in pairwise(edges)]
        self._buckets: list[dict[int, list[int]]] = [{} for _ in self._bands]
        self._hashes: list[int] = []

    def add(self, hash: int) -> None:
        """Adds a hash; the first has the number 0, the next 1, and so on."""
        for (shift, mask), bucket in zip(self._bands, self._buckets, strict=True):
            bucket.setdefault(hash >> shift & mask, []).append(len(self._hashes))
        self._hashes.append(hash)

    def find(self, hash: int) -> int | None:
        """The lowest number of a hash within `max_bits` of this one, or None."""
        near = (
            number
            for (shift, mask), bucket in zip(self._bands, self._buckets, strict=True)
            for number in bucket.get(hash >> shift & mask, ())
            if (self._hashes[number] ^ hash).bit_count() <= self._max_bits
        )
        return min(near, default=None)
