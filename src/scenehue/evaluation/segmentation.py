"""Mean IoU and pixel accuracy, from counts of pixels that were pooled over photographs.

Shapes: N photographs, C classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scenehue.data.coco_classes import NAMES
from scenehue.evaluation.bootstrap import Interval, pooled_interval

Counts = npt.NDArray[np.float64]

COUNTS = pa.schema(
    [("id", pa.string()), ("class", pa.int16()), *((name, pa.int64()) for name in ("correct", "predicted", "labelled"))]
)
"""A row for each photograph and class: see `scenehue.evaluation.class_maps.count_pixels`."""


class ClassScore(NamedTuple):
    """How one class came out over all photographs."""

    name: str
    share: float
    """Of all labelled pixels."""
    iou: float
    """Intersection over union: pixels that are the class in truth and prediction, over those that are it in either."""


def mean_iou(counts_3C: Counts) -> npt.NDArray[np.float64]:
    """The mean of the classes' IoU, over those that occur in truth or prediction.

    Args:
        counts_3C: (..., 3, C): pixels correct, predicted and labelled.

    Returns:
        (...): 0 to 1; 0 where no pixel is labelled.

    Example:
        >>> mean_iou(np.array([[1.0, 1, 0], [1, 2, 0], [2, 1, 0]])).item()
        0.5
    """
    correct, predicted, labelled = np.moveaxis(counts_3C, -2, 0)
    union = predicted + labelled - correct
    iou = np.divide(correct, union, out=np.zeros_like(correct), where=union > 0)
    return np.asarray(iou.sum(-1) / np.maximum((union > 0).sum(-1), 1))


def pixel_accuracy(counts_3C: Counts) -> npt.NDArray[np.float64]:
    """The share of labelled pixels whose class is right; arguments and result as in `mean_iou`."""
    correct, _, labelled = np.moveaxis(counts_3C, -2, 0)
    return np.asarray(correct.sum(-1) / np.maximum(labelled.sum(-1), 1))


def segmentation_scores(table: pa.Table, resamples: int, seed: int) -> dict[str, Interval]:
    """Both scores with their confidence intervals, the photographs being resampled; nothing where there are none.

    Args:
        table: With the columns of `COUNTS`.
        resamples: Draws behind each interval.
        seed: Of the draws.
    """
    if not table.num_rows:
        return {}
    photos, place = np.unique(table["id"].to_numpy(), return_inverse=True)
    counts_N3C = np.zeros((len(photos), 3, len(NAMES)))
    for row, name in enumerate(("correct", "predicted", "labelled")):
        counts_N3C[place, row, table["class"].to_numpy()] = table[name].to_numpy()
    return {
        name: pooled_interval(counts_N3C, score, resamples, seed)
        for name, score in (("miou", mean_iou), ("pixel_accuracy", pixel_accuracy))
    }


def class_scores(table: pa.Table) -> list[ClassScore]:
    """How each class came out, the most frequent first.

    Args:
        table: With the columns of `COUNTS`.
    """
    sums = table.group_by("class").aggregate([(name, "sum") for name in COUNTS.names[2:]]).to_pylist()
    total = max(1, sum(row["labelled_sum"] for row in sums))
    scores = [
        ClassScore(
            NAMES[row["class"]],
            row["labelled_sum"] / total,
            row["correct_sum"] / (row["predicted_sum"] + row["labelled_sum"] - row["correct_sum"]),
        )
        for row in sums
    ]
    return sorted(scores, key=lambda score: (-score.share, score.name))
