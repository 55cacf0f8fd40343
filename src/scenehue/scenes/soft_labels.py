"""Soft scene labels: the few classes that a teacher believes in most, as a distribution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NUM_KEPT = 5


def soft_labels(
    probabilities: npt.NDArray[np.float32],
    keep: int = NUM_KEPT,
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]:
    """Keeps each photo's highest probabilities and makes them sum to 1 again.

    Args:
        probabilities: (N, C), not negative.
        keep: How many of the C classes stay.

    Returns:
        Classes (N, keep), highest first, equal ones by class; and their probabilities (N, keep), which sum to 1.

    Example:
        >>> classes, kept = soft_labels(np.float32([[0.25, 0.5, 0.0, 0.5]]), keep=2)
        >>> classes.tolist(), kept.tolist()
        ([[1, 3]], [[0.5, 0.5]])
    """
    classes = np.argsort(-probabilities, axis=1, kind="stable")[:, :keep]
    kept = np.take_along_axis(probabilities, classes, axis=1).astype(np.float64)
    kept /= kept.sum(axis=1, keepdims=True)
    return classes.astype(np.int16), kept.astype(np.float32)
