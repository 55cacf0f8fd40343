from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import accuracy_score, jaccard_score
from torchmetrics.classification import MulticlassJaccardIndex

from scenehue.data.coco_classes import NAMES
from scenehue.evaluation.class_maps import count_pixels
from scenehue.evaluation.segmentation import COUNTS, class_scores, segmentation_scores


def maps(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A map with unlabelled pixels, and a prediction that is right on about half of the others."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(np.array([2, 20, 150, 255], np.uint8), (16, 20))
    wrong = rng.choice(np.array([2, 20, 150, 99], np.uint8), (16, 20))
    return truth, np.where((rng.random(truth.shape) < 0.5) & (truth != 255), truth, wrong)


def counted(photos: list[tuple[np.ndarray, np.ndarray]]) -> pa.Table:
    rows = [{"id": str(index), **row} for index, pair in enumerate(photos) for row in count_pixels(*pair)]
    return pa.Table.from_pylist(rows, COUNTS)


def test_scores_are_those_of_torchmetrics_and_scikit_learn_over_all_photos():
    photos = [maps(seed) for seed in range(5)]
    scores = segmentation_scores(counted(photos), resamples=300, seed=0)
    index = MulticlassJaccardIndex(182, ignore_index=255)
    for truth, predicted in photos:
        index.update(torch.from_numpy(predicted.astype(int)), torch.from_numpy(truth.astype(int)))
    assert scores["miou"].mean == pytest.approx(index.compute().item(), abs=1e-6)
    truth, predicted = (np.concatenate([pair[side].ravel() for pair in photos]) for side in (0, 1))
    truth, predicted = truth[truth != 255], predicted[truth != 255]
    assert scores["miou"].mean == pytest.approx(jaccard_score(truth, predicted, average="macro"))
    assert scores["pixel_accuracy"].mean == pytest.approx(accuracy_score(truth, predicted))
    for interval in scores.values():
        assert interval.low < interval.mean < interval.high


def test_the_interval_is_the_spread_over_resampled_photos():
    photos = [maps(seed) for seed in range(6)]
    ours = segmentation_scores(counted(photos), resamples=4000, seed=0)["pixel_accuracy"]
    rng, redrawn = np.random.default_rng(1), []
    for _ in range(1000):
        chosen = [photos[place] for place in rng.integers(0, 6, 6)]
        truth, predicted = (np.concatenate([pair[side].ravel() for pair in chosen]) for side in (0, 1))
        redrawn.append(accuracy_score(truth[truth != 255], predicted[truth != 255]))
    assert (ours.low, ours.high) == pytest.approx(tuple(np.quantile(redrawn, [0.025, 0.975])), abs=0.01)


def test_classes_are_named_and_the_most_frequent_comes_first():
    truth, predicted = np.array([[0, 0, 0, 181, 255]], np.uint8), np.array([[0, 0, 3, 181, 0]], np.uint8)
    first, second, third = class_scores(counted([(truth, predicted)]))
    assert first == (NAMES[0], 0.75, pytest.approx(2 / 3))
    assert second == (NAMES[181], 0.25, 1.0)
    assert third == (NAMES[3], 0.0, 0.0), "predicted, never there"


def test_without_counts_there_are_no_scores():
    assert segmentation_scores(COUNTS.empty_table(), 100, 0) == {}
