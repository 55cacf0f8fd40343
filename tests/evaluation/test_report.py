from __future__ import annotations

import re

import numpy as np
import pytest

from scenehue.evaluation.evaluate import evaluate_model
from scenehue.evaluation.published import DIV2K, is_div2k
from scenehue.evaluation.report import write_report
from scenehue.evaluation.results import GREY
from scenehue.inference.model import Decoder


@pytest.fixture
def results(model, photos):
    return evaluate_model(
        model,
        photos,
        [Decoder("annealed", 0.38), Decoder("vivid", 0.25, 1.2)],
        resamples=300,
        about={"missing": {"LPIPS": "not available: no weights"}},
    )


def table(page: str, first: str) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    start = next(number for number, row in enumerate(rows) if row[: len(first.split("|"))] == first.split("|"))
    header = rows[start]
    end = next((n for n in range(start + 2, len(rows)) if len(rows[n]) != len(header)), len(rows))
    return [header, *rows[start + 2 : end]]


def test_the_grey_row_stands_first_and_every_number_has_its_interval(results):
    header, *rows = table(write_report(results), "|PSNR, dB")
    assert [row[0] for row in rows] == [GREY, "annealed", "vivid"]
    for row in rows:
        for heading, cell in zip(header[1:], row[1:], strict=True):
            if heading == "above grey, dB" and row[0] == GREY:
                assert cell == ""
            else:
                value, low, high = map(float, re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", cell).groups())
                assert low <= value <= high
    psnr = results.means()["vivid"]["psnr"]
    assert rows[2][1].startswith(f"{psnr:.2f} [")
    assert float(rows[0][header.index("relative error")].split()[0]) == 1


def test_the_scales_at_which_photographs_were_seen_are_told(results, model, photos):
    assert "seen at" not in write_report(results)
    model.scales = (0.667, 1.0)
    page = write_report(evaluate_model(model, photos, [Decoder()], resamples=100))
    assert "64 pixels on the short side, seen at 0.667, 1 times that." in page


def test_definitions_name_window_variants_and_settings(results):
    page = write_report(results, sheet="sheet.jpg")
    assert "Gaussian window of 11 x 11 pixels, sigma 1.5" in page
    assert "Hasler and Suesstrunk 2003" in page
    assert "annealed: the annealed mean, temperature 0.38." in page
    assert "vivid: an annealed mean, temperature 0.25, chroma times 1.2." in page
    assert "working size: 64 pixels" in page
    assert "![Contact sheet](sheet.jpg)" in page
    truth = results.means()["truth"]["colorfulness"]
    assert f"Colourfulness of the photographs themselves: {truth:.1f}" in page


def test_what_was_not_measured_is_said(results):
    assert "- LPIPS: not available: no weights" in write_report(results)


def test_segmentation_is_told_where_it_was_measured(results, model, photos):
    assert "IoU" not in write_report(results)
    said = np.full((182, 8, 8), -5.0)
    said[0] = 5
    page = write_report(evaluate_model(model, photos, [Decoder("reg")], class_logits=lambda: said, resamples=300))
    assert "on 3 photographs with a map: mean IoU over the 3 classes that occur 0.11" in page
    header, *rows = table(page, "class")
    assert header == ["class", "share of pixels", "IoU"]
    assert {row[0] for row in rows} == {"person", "clouds", "wood"}
    assert next(float(row[2]) for row in rows if row[0] == "person") == pytest.approx(1 / 3, abs=5e-3)


def test_best_and_worst_are_named(results):
    page = write_report(results)
    values = dict(zip(results.of("annealed")["photo"].to_pylist(), results.values("annealed", "psnr"), strict=True))
    best, worst = max(values, key=values.get), min(values, key=values.get)
    assert f"Best by PSNR of annealed: `{best}` ({values[best]:.1f} dB)" in page
    assert f"Worst: `{worst}` ({values[worst]:.1f} dB)" in page


def test_published_rows_only_stand_beside_their_own_photographs(results):
    assert "Larsson" not in write_report(results)
    page = write_report(results, div2k=True)
    rows = table(page, "method")
    assert len(rows) == 1 + len(DIV2K)
    assert ["Larsson et al.", "23.809", "0.914", "0.585"] in rows
    assert "do not say at which size" in page


def test_div2k_is_known_by_name():
    assert is_div2k(["photos/div2k/0801.png", "DIV2K_valid_HR.tar!0802.png"])
    assert not is_div2k(["photos/div2k/0801.png", "data/sample/koala.jpg"])
