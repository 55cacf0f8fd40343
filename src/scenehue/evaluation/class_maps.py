"""What a segmentation head says of a photograph, at the photograph's size, counted against its map.

Shapes: C classes; H and W those of a photograph, h and w of the network's coarser map.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torchmetrics.functional.classification import multiclass_stat_scores

from scenehue.data.coco_classes import UNLABELLED
from scenehue.data.segmentation import NUM_CLASSES

Classes = npt.NDArray[np.uint8]


def predicted_classes(logits_Chw: npt.NDArray[np.floating], height: int, width: int) -> Classes:
    """The class of the largest logit at each pixel, the logits brought to the photograph's size bilinearly.

    One class after the other is enlarged, so memory does not grow with their number.

    Args:
        logits_Chw: Of the whole photograph.
        height: Of the photograph.
        width: Of the photograph.

    Returns:
        (H, W): class numbers.
    """
    best_HW = np.full((height, width), -np.inf, np.float32)
    classes_HW = np.zeros((height, width), np.uint8)
    for number, logits_hw in enumerate(logits_Chw.astype(np.float32)):
        plane_HW = cv2.resize(logits_hw, (width, height), interpolation=cv2.INTER_LINEAR)
        better_HW = plane_HW > best_HW
        best_HW[better_HW] = plane_HW[better_HW]
        classes_HW[better_HW] = number
    return classes_HW


def count_pixels(truth: Classes, predicted: Classes) -> list[dict[str, Any]]:
    """Counts the labelled pixels of one photograph.

    Args:
        truth: (H, W), its map.
        predicted: (H, W), class numbers.

    Returns:
        For each class that occurs in either: ``class``, and how many pixels are ``correct`` (it in both),
        ``predicted`` and ``labelled``. Pixels without a label count nowhere.

    Example:
        >>> count_pixels(np.array([[7, 7, 255]], np.uint8), np.array([[7, 7, 3]], np.uint8))
        [{'class': 7, 'correct': 2, 'predicted': 2, 'labelled': 2}]
    """
    scores_C5 = multiclass_stat_scores(
        torch.from_numpy(predicted.astype(np.int64))[None],
        torch.from_numpy(truth.astype(np.int64))[None],
        num_classes=NUM_CLASSES,
        average=None,
        ignore_index=UNLABELLED,
    )
    return [
        {"class": number, "correct": right, "predicted": right + wrong, "labelled": labelled}
        for number, (right, wrong, _, _, labelled) in enumerate(scores_C5.tolist())
        if right + wrong + labelled
    ]
