from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import softmax
from skimage.color import rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.classification import multiclass_accuracy
from torchmetrics.functional.image import peak_signal_noise_ratio as torch_psnr

from scenehue.evaluation.metrics import PHOTO_METRICS, PSNR_OF_EQUALS, ab_errors, measure, psnr, scene_hits, ssim


def test_psnr_agrees_with_scikit_image_and_torchmetrics(picture_pair):
    truth, result = picture_pair
    assert psnr(truth, result) == pytest.approx(peak_signal_noise_ratio(truth, result), abs=1e-9)
    as_tensors = (torch.from_numpy(picture.astype(np.float64)) for picture in (result, truth))
    assert psnr(truth, result) == pytest.approx(float(torch_psnr(*as_tensors, data_range=255.0)), abs=1e-5)


def test_psnr_of_equal_pictures_is_a_number_above_all_others():
    truth = np.full((500, 500, 3), 200, np.uint8)
    nearly = truth.copy()
    nearly[0, 0, 0] = 201
    assert psnr(truth, truth) == PSNR_OF_EQUALS == 100
    assert 90 < psnr(truth, nearly) <= 100


@pytest.mark.parametrize("shape", [(120, 80), (11, 11), (12, 40)])
def test_ssim_agrees_with_scikit_image(shape):
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    result = np.clip(truth + rng.integers(-60, 60, truth.shape), 0, 255).astype(np.uint8)
    expected = structural_similarity(
        truth, result, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(truth, result) == pytest.approx(expected, abs=1e-5)


def test_ssim_of_a_real_photograph_agrees_with_scikit_image(picture_pair):
    truth, result = picture_pair
    expected = structural_similarity(
        truth, result, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(truth, result) == pytest.approx(expected, abs=1e-5)
    assert ssim(truth, truth) == pytest.approx(1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (10, 200)])
def test_ssim_of_pictures_smaller_than_the_window_is_a_number(shape):
    truth = np.random.default_rng(2).integers(0, 256, (*shape, 3)).astype(np.uint8)
    assert ssim(truth, truth) == pytest.approx(1)
    assert ssim(truth, 255 - truth) < 1


def test_ab_errors_by_hand():
    truth = np.array([[[3, 4], [0, 0]]], np.float32)
    result = np.array([[[3, 0], [0, 3]]], np.float32)
    errors = ab_errors(truth, result)
    assert errors["mse_ab"] == pytest.approx((16 + 9) / 4)
    assert errors["mse_ab_unit"] == pytest.approx((16 + 9) / 4 / 110**2)
    assert errors["relative_error_ab"] == pytest.approx(5 / 5)


def test_ab_errors_of_a_grey_truth():
    grey = np.zeros((2, 2, 2), np.float32)
    assert ab_errors(grey, grey)["relative_error_ab"] == 0
    assert ab_errors(grey, grey + 1)["relative_error_ab"] == math.inf


def test_measured_errors_are_those_of_scikit_images_lab(picture_pair):
    truth, result = picture_pair
    measured = measure(truth, result)
    expected = np.square(rgb2lab(truth)[..., 1:] - rgb2lab(result)[..., 1:]).mean()
    assert set(measured) == set(PHOTO_METRICS)
    assert measured["mse_ab"] == pytest.approx(expected, rel=1e-3)


def test_deltas_are_negative_for_a_duller_result(picture_pair):
    truth, _ = picture_pair
    dull = np.broadcast_to(truth.mean(axis=-1, keepdims=True), truth.shape).astype(np.uint8)
    measured = measure(truth, dull)
    assert measured["colorfulness"] == measured["colorfulness_ddcolor"] == 0
    assert measured["delta_colorfulness"] < -5
    assert measured["delta_colorfulness_ddcolor"] < -5


def test_scene_hits_agree_with_torchmetrics():
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(200, 365))
    # Classes near the top, so that both outcomes are frequent.
    classes = np.array([np.argsort(-row)[rng.integers(0, 10)] for row in logits])
    hits = np.array([scene_hits(row, int(label)) for row, label in zip(logits, classes, strict=True)])
    beliefs, labels = torch.from_numpy(softmax(logits, axis=1)), torch.from_numpy(classes)
    for column, top in enumerate((1, 5)):
        expected = multiclass_accuracy(beliefs, labels, num_classes=365, top_k=top, average="micro")
        assert 0 < hits[:, column].mean() < 1
        assert hits[:, column].mean() == pytest.approx(float(expected))
