from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from scenehue.data.decode import decode_rgb
from scenehue.evaluation.contact_sheet import LINE, MARGIN, TILE, choose, draw_contact_sheet, save_contact_sheet
from scenehue.evaluation.evaluate import evaluate_model
from scenehue.evaluation.overlay import COLORS
from scenehue.inference.model import Decoder

DECODERS = [Decoder("reg"), Decoder("vivid", saturation=2.0)]


class Qualities:
    """Results of which only the first decoder's PSNR is looked at."""

    decoders = ("grey", "reg")

    def __init__(self, psnr: list[float]) -> None:
        self.psnr = np.array(psnr)

    def values(self, decoder: str, metric: str) -> np.ndarray:
        assert (decoder, metric) == ("reg", "psnr")
        return self.psnr


def test_best_between_and_worst_are_chosen_in_this_order():
    picks = choose(Qualities([21, 29, 25, 20, 28, 24, 22, 27, 23, 26]), 6)
    assert [pick.kind for pick in picks] == ["best"] * 2 + ["between"] * 2 + ["worst"] * 2
    assert [pick.photo for pick in picks] == [1, 4, 7, 6, 0, 3]


@pytest.mark.parametrize(("there", "wanted", "given"), [(1, 12, 1), (2, 12, 2), (3, 12, 3), (30, 12, 12), (30, 1, 1)])
def test_as_many_as_wanted_or_there(there, wanted, given):
    picks = choose(Qualities(list(range(there))), wanted)
    assert len({pick.photo for pick in picks}) == len(picks) == given
    assert picks[0].kind == "best"


def test_a_row_shows_truth_grey_and_each_decoder(model, photos, tmp_path):
    results = evaluate_model(model, photos, DECODERS, resamples=200)
    sheet = draw_contact_sheet(model, photos, DECODERS, results, num_photos=3)
    picks = [pick.photo for pick in choose(results, 3)]
    heights = [min(TILE[1], Image.open(io.BytesIO(photos.encoded(photo))).height) for photo in picks]
    assert sheet.size == (MARGIN + 4 * (TILE[0] + MARGIN), MARGIN + sum(heights) + 3 * (2 * LINE + MARGIN))
    best = picks[0]
    truth = Image.fromarray(decode_rgb(photos.encoded(best)))
    truth.thumbnail(TILE, Image.Resampling.LANCZOS)
    tiles = [
        np.asarray(sheet.crop((left, MARGIN + 2 * LINE, left + truth.width, MARGIN + 2 * LINE + truth.height)))
        for left in (MARGIN + column * (TILE[0] + MARGIN) for column in range(4))
    ]
    np.testing.assert_array_equal(tiles[0], np.asarray(truth))
    spread = [np.ptp(tile.astype(int), axis=-1).mean() for tile in tiles]
    assert spread[1] < 1 < spread[2] < spread[3]
    save_contact_sheet(sheet, tmp_path / "sheet.jpg")
    saved = np.asarray(Image.open(tmp_path / "sheet.jpg").convert("RGB")).astype(int)
    assert np.abs(saved - np.asarray(sheet)).mean() < 2


def test_names_that_are_too_long_are_cut(model, photos):
    photos.manifest = photos.manifest.set_column(0, "path", [["tar!" + "ö" * 500 + ".jpg"] * len(photos)])
    results = evaluate_model(model, photos, DECODERS[:1], resamples=200)
    sheet = np.asarray(draw_contact_sheet(model, photos, DECODERS[:1], results, num_photos=1))
    assert (sheet[:, -MARGIN:] == 255).all()
    assert (sheet[MARGIN : MARGIN + LINE] < 128).any()


def test_classes_stand_beside_the_colours_with_a_legend_below(model, photos):
    said = np.full((182, 8, 8), -5.0)
    said[105] = 5
    results = evaluate_model(model, photos, DECODERS[:1], resamples=200)
    plain = draw_contact_sheet(model, photos, DECODERS[:1], results)
    sheet = draw_contact_sheet(model, photos, DECODERS[:1], results, class_logits=lambda: said)
    assert sheet.width == MARGIN + 5 * (TILE[0] + MARGIN), "truth, grey, reg, classes, true classes"
    assert sheet.height == plain.height + LINE + MARGIN
    pixels = np.asarray(sheet)
    legend = pixels[-LINE - MARGIN :]
    swatches = [legend[LINE // 2, MARGIN + place * (TILE[0] + MARGIN) + 4].tolist() for place in range(4)]
    assert swatches[0] == COLORS[105].tolist(), "predicted everywhere, it is the most frequent"
    assert {tuple(color) for color in swatches[1:3]} == {tuple(COLORS[number].tolist()) for number in (0, 181)}
    assert swatches[3] == [255, 255, 255]
    lettering = (legend[:, MARGIN + LINE :] < 128).all(-1).sum()
    assert lettering > 50
    without_map = choose(results, 4).index(next(pick for pick in choose(results, 4) if pick.photo == 3))
    heights = [Image.open(io.BytesIO(photos.encoded(pick.photo))).height for pick in choose(results, 4)]
    top = MARGIN + sum(2 * LINE + MARGIN + min(TILE[1], height) for height in heights[:without_map])
    last = pixels[top : top + heights[without_map], -TILE[0] :]
    assert (last == 255).all(), "the photograph without a map has no true classes"
