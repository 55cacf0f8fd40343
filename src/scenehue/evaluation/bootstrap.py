"""Confidence intervals of means over photographs, by resampling the photographs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean and the bounds of its confidence interval."""

    mean: float
    low: float
    high: float


def mean_interval(
    values: Sequence[float] | npt.NDArray[np.float64],
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """The mean of one value a photograph, with its percentile bootstrap interval (Efron 1979).

    Equal seeds draw equal resamples for equally many photographs, so the intervals of several metrics belong together.

    Args:
        values: One a photograph, at least one.
        resamples: Draws with replacement.
        seed: Of the draws.
        confidence: Share of the resampled means inside the interval.

    Returns:
        The mean and its bounds; a single photograph gives an interval without width.

    Example:
        >>> mean_interval([1.0, 1.0, 1.0])
        Interval(mean=1.0, low=1.0, high=1.0)
    """
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    if len(sample) == 1:
        return Interval(mean, mean, mean)
    found = stats.bootstrap(
        (sample,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, 2**22 // len(sample)),
        vectorized=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))


def paired_difference(
    a: Mapping[str, float], b: Mapping[str, float], resamples: int = 2000, seed: int = 0, confidence: float = CONFIDENCE
) -> Interval:
    """How much better `a` is than `b` on the photographs that both have coloured.

    The differences are resampled, not the two sides, so that what is hard in a photograph for both does not widen the
    interval.

    Args:
        a: Value by photo id.
        b: Value by photo id.
        resamples: Draws with replacement.
        seed: Of the draws.
        confidence: Share of the resampled means inside the interval.

    Returns:
        Mean of a - b over the common photographs, and its bounds. Zero inside the bounds: the difference may be luck.

    Raises:
        ValueError: No photograph is in both.

    Example:
        >>> paired_difference({"x": 3.0, "y": 5.0}, {"y": 4.0, "x": 2.0, "z": 9.0})
        Interval(mean=1.0, low=1.0, high=1.0)
    """
    common = sorted(a.keys() & b.keys())
    if not common:
        raise ValueError("the two results have no photograph in common, so they cannot be compared")
    return mean_interval([a[photo] - b[photo] for photo in common], resamples, seed, confidence)


def pooled_interval(
    counts: npt.NDArray[np.float64],
    score: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """A score of counts that are summed over photographs, with its percentile bootstrap interval.

    Args:
        counts: (N, ...) of at least one photograph.
        score: Takes sums (..., ) with any dimensions before them, and keeps those.
        resamples: Draws of N photographs with replacement.
        seed: Of the draws.
        confidence: Share of the resampled scores inside the interval.

    Example:
        >>> pooled_interval(np.array([[1.0, 2.0], [1.0, 2.0]]), lambda sums: sums[..., 0] / sums[..., 1])
        Interval(mean=0.5, low=0.5, high=0.5)
    """
    num = len(counts)
    drawn = np.random.default_rng(seed).multinomial(num, np.full(num, 1 / num), size=resamples)
    scores = score(np.tensordot(drawn.astype(np.float64), counts, axes=1))
    low, high = np.quantile(scores, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(score(counts.sum(0))), float(low), float(high))
