from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow.parquet
import pytest

from scenehue.errors import ArtifactError
from scenehue.evaluation.bootstrap import paired_difference
from scenehue.evaluation.evaluate import evaluate_model
from scenehue.evaluation.results import GREY, Results
from scenehue.inference.model import Decoder


@pytest.fixture
def results(model, photos):
    return evaluate_model(model, photos, [Decoder("reg"), Decoder("mode", saturation=0.5)], resamples=300, seed=4)


def test_means_are_those_of_the_photographs(results):
    means = results.means()
    table = results.table.to_pylist()
    for decoder in (GREY, "reg", "mode"):
        for metric in ("psnr", "ssim", "mse_ab_unit"):
            expected = np.mean([row[metric] for row in table if row["decoder"] == decoder])
            assert means[decoder][metric] == pytest.approx(expected, abs=1e-6)
    assert means["photos"] == 4
    gains = [means[name]["psnr"] - means[GREY]["psnr"] for name in ("reg", "mode")]
    assert [means[name]["psnr_over_grey"] for name in ("reg", "mode")] == pytest.approx(gains, abs=1e-5)
    delta = means["reg"]["colorfulness"] - means["truth"]["colorfulness"]
    assert means["reg"]["delta_colorfulness"] == pytest.approx(delta, abs=1e-5)


def test_intervals_enclose_their_means(results):
    means, intervals = results.means(), results.intervals()
    assert intervals["confidence"] == 0.95
    assert intervals["resamples"] == 300
    for decoder in (GREY, "reg", "mode"):
        assert intervals[decoder].keys() == means[decoder].keys()
        for metric, bounds in intervals[decoder].items():
            assert bounds["mean"] == pytest.approx(means[decoder][metric], abs=1e-6)
            assert bounds["low"] <= means[decoder][metric] + 1e-6
            assert bounds["high"] >= means[decoder][metric] - 1e-6
    assert intervals["reg"]["psnr"]["low"] < intervals["reg"]["psnr"]["high"]


def test_the_headline_is_a_part_of_the_means(results):
    means, headline = results.means(), results.headline()
    assert list(headline["reg"]) == ["psnr", "psnr_over_grey", "ssim", "relative_error_ab", "colorfulness"]
    assert headline.keys() == means.keys()
    assert all(means["reg"][metric] == value for metric, value in headline["reg"].items())
    assert headline["truth"] == {"colorfulness": means["truth"]["colorfulness"]}


def test_what_is_saved_loads_again_and_is_the_same_each_time(results, tmp_path):
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        results.save(folder)
    assert {path.name: path.read_bytes() for path in folders[0].iterdir()} == {
        path.name: path.read_bytes() for path in folders[1].iterdir()
    }
    loaded = Results.load(folders[0])
    assert loaded.table.equals(results.table)
    assert loaded.about == results.about
    assert json.loads((folders[0] / "metrics.json").read_text()) == loaded.headline()
    assert json.loads((folders[0] / "intervals.json").read_text()) == loaded.intervals()


def test_counts_of_pixels_are_saved_beside_the_photos(model, photos, tmp_path):
    said = np.random.default_rng(0).normal(size=(182, 6, 6))
    results = evaluate_model(model, photos, [Decoder("reg")], class_logits=lambda: said, resamples=200)
    results.save(tmp_path)
    loaded = Results.load(tmp_path)
    assert loaded.segmentation.equals(results.segmentation)
    assert json.loads((tmp_path / "intervals.json").read_text()) == loaded.intervals()


def test_tables_for_people_and_plots(results, tmp_path):
    results.save(tmp_path)
    rows = list(csv.DictReader((tmp_path / "photos.csv").open()))
    assert [row["psnr"] for row in rows] == [str(v) for v in results.table["psnr"].to_pylist()]
    curves = list(csv.DictReader((tmp_path / "psnr.csv").open()))
    assert list(curves[0]) == ["rank", GREY, "reg", "mode"]
    reg = [float(row["reg"]) for row in curves]
    assert reg == sorted(reg)
    assert reg == pytest.approx(sorted(results.values("reg", "psnr")), abs=1e-4)


def test_fewer_photographs_can_be_compared_with_another_model(results, photos):
    restricted = results.restricted_to(photos.ids[:2])
    assert restricted.ids == photos.ids[:2]
    assert restricted.means()["photos"] == 2
    difference = paired_difference(results.by_photo("reg", "psnr"), restricted.by_photo("mode", "psnr"))
    expected = results.values("reg", "psnr")[:2] - results.values("mode", "psnr")[:2]
    assert difference.mean == pytest.approx(expected.mean())
    with pytest.raises(ValueError, match="none of the evaluated"):
        results.restricted_to(["unknown"])


@pytest.mark.parametrize("content", [None, b"no table", "another table"])
def test_what_is_no_evaluation_is_refused_with_its_name(content, tmp_path):
    path = tmp_path / "photos.parquet"
    if content == "another table":
        pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"photos\.parquet .*run the stage evaluate"):
        Results.load(tmp_path)
