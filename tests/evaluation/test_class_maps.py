from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from scenehue.evaluation.class_maps import count_pixels, predicted_classes


def test_predictions_are_the_largest_of_the_logits_enlarged_by_torch():
    logits = np.random.default_rng(0).normal(size=(182, 9, 12)).astype(np.float32)
    wide = torch.nn.functional.interpolate(torch.from_numpy(logits)[None], (75, 100), mode="bilinear")[0]
    agree = predicted_classes(logits, 75, 100) == wide.argmax(0).numpy()
    # Rounding decides where two classes are level.
    assert agree.mean() > 0.999


def test_counts_are_those_of_scikit_learns_confusion_matrix():
    rng = np.random.default_rng(1)
    truth = rng.choice(np.array([0, 3, 90, 181, 255], np.uint8), (40, 30))
    predicted = rng.choice(np.array([0, 3, 7, 181], np.uint8), (40, 30))
    matrix = confusion_matrix(truth[truth != 255], predicted[truth != 255], labels=range(182))
    rows = count_pixels(truth, predicted)
    assert [row["class"] for row in rows] == [0, 3, 7, 90, 181]
    for row in rows:
        number = row["class"]
        assert row["correct"] == matrix[number, number]
        assert row["predicted"] == matrix[:, number].sum()
        assert row["labelled"] == matrix[number].sum()


@pytest.mark.parametrize("class_number", [0, 181])
def test_a_photo_without_any_label_counts_nothing(class_number):
    assert count_pixels(np.full((5, 5), 255, np.uint8), np.full((5, 5), class_number, np.uint8)) == []
