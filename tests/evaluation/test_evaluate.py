from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from scenehue.color.lab import lightness, rgb_to_lab
from scenehue.data.decode import decode_rgb
from scenehue.errors import ArtifactError
from scenehue.evaluation.evaluate import evaluate_model, grey
from scenehue.evaluation.results import GREY
from scenehue.inference.model import Decoder
from scenehue.inference.predict import predict

DECODERS = [Decoder("reg"), Decoder("vivid", temperature=0.3, saturation=2.0)]


def test_grey_keeps_lightness_and_has_no_chroma(photos):
    photo = decode_rgb(photos.encoded(2))
    result = grey(photo)
    assert result.shape == photo.shape
    assert np.abs(lightness(result) - lightness(photo)).max() < 0.5
    assert np.abs(rgb_to_lab(result)[..., 1:]).max() < 0.01


def test_rows_hold_what_predict_gives_at_the_photos_own_size(model, photos):
    results = evaluate_model(model, photos, DECODERS, size=96, resamples=200)
    assert results.decoders == [GREY, "reg", "vivid"]
    assert results.ids == photos.ids
    for index, row in enumerate(results.of("vivid").to_pylist()):
        truth = np.asarray(Image.open(io.BytesIO(photos.encoded(index))))
        assert (row["height"], row["width"]) == truth.shape[:2]
        expected = peak_signal_noise_ratio(truth, predict(model, truth, 96, DECODERS[1]))
        assert row["psnr"] == pytest.approx(expected, abs=1e-6)
        assert row["photo"] == photos.names[index]
        assert row["colorfulness"] - row["delta_colorfulness"] == pytest.approx(row["truth_colorfulness"])
    assert results.about["size"] == 96
    assert results.about["decoders"]["vivid"] == {"temperature": 0.3, "saturation": 2.0}


def test_grey_row_is_the_baseline(model, photos):
    results = evaluate_model(model, photos, DECODERS[:1], resamples=200)
    np.testing.assert_allclose(results.values(GREY, "relative_error_ab"), 1, atol=1e-3)
    np.testing.assert_allclose(results.values(GREY, "colorfulness"), 0, atol=1e-6)
    assert results.about["size"] == model.size


def test_without_photographs_the_error_says_what_to_do(model, photos):
    photos.names, photos.ids = [], []
    with pytest.raises(ArtifactError, match=r"no test photographs.*dataset\.splits\.test"):
        evaluate_model(model, photos, DECODERS)


def test_scenes_are_asked_after_the_photograph_was_predicted(model, photos):
    seen = []
    predicted = model.chroma

    def chroma(lightness, decoder):
        seen.append(float(lightness.mean()))
        return predicted(lightness, decoder)

    def scene_logits():
        return np.eye(365)[len(seen)]

    model.chroma = chroma
    # One decoder, so the number of predictions tells the photographs apart; the last one has no teacher.
    teacher = {photos.ids[0]: 1, photos.ids[1]: 9, photos.ids[2]: 3}
    results = evaluate_model(model, photos, DECODERS[:1], scene_logits=scene_logits, teacher=teacher, resamples=200)
    assert results.of(GREY)["scene_top1"].to_pylist() == [True, False, True, None]
    assert results.scenes()["top1"].mean == pytest.approx(2 / 3)


def test_a_perceptual_distance_becomes_a_column(model, photos):
    results = evaluate_model(model, photos, DECODERS, lpips=lambda truth, result: 0.25, resamples=200)
    assert results.means()["reg"]["lpips"] == 0.25
    assert "lpips" not in evaluate_model(model, photos, DECODERS[:1], resamples=200).metrics


def test_segmentation_is_counted_at_the_size_of_the_maps_of_the_photos_that_have_one(model, photos):
    said = np.full((182, 8, 8), -5.0)
    said[0] = 5  # the first of four stripes, one of them unlabelled

    results = evaluate_model(model, photos, DECODERS[:1], class_logits=lambda: said, resamples=200)
    scores = results.means()["segmentation"]
    assert scores == pytest.approx({"miou": 1 / 9, "pixel_accuracy": 1 / 3}, abs=5e-3)
    assert set(results.segmentation["id"].to_pylist()) == set(photos.ids[:3])
    assert results.restricted_to(photos.ids[:1]).segmentation.num_rows == 3
    assert results.headline()["segmentation"] == scores
    assert set(results.intervals()["segmentation"]["miou"]) == {"mean", "low", "high"}
    without = evaluate_model(model, photos, DECODERS[:1], resamples=200)
    assert without.segmentation is None
    assert "segmentation" not in without.means()
