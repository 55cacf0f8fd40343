"""Truth, grey and each decoder side by side, for the best, the worst and some photographs between.

Where a segmentation head is asked, its classes and the true ones stand beside them, with a legend below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from rich.progress import track

from scenehue.data.coco_classes import NAMES
from scenehue.data.decode import decode_rgb
from scenehue.data.segmentation import decode_map
from scenehue.evaluation.class_maps import predicted_classes
from scenehue.evaluation.evaluate import Photos, colored
from scenehue.evaluation.overlay import COLORS, most_frequent, overlay
from scenehue.evaluation.results import GREY, Results
from scenehue.inference.model import ChromaModel, Decoder

UInt8 = npt.NDArray[np.uint8]

TILE = (224, 168)
"""Width and height of the box that a picture is fitted into, in pixels."""
MARGIN = 8
LINE = 20
"""Height of a line of text."""
LEGEND = 40
"""Classes in the legend at most; the most frequent ones on the sheet."""


class Pick(NamedTuple):
    """A photograph on the sheet, and why it is there: ``best``, ``between`` or ``worst``."""

    photo: int
    kind: str


def choose(results: Results, num: int) -> list[Pick]:
    """Chooses photographs by the PSNR of the first decoder after the grey baseline.

    Args:
        results: Of the model.
        num: Photographs wanted.

    Returns:
        From best to worst: a third best ones, a third worst ones, the rest evenly from those between; all if there are
        not more.
    """
    quality = results.values(results.decoders[min(1, len(results.decoders) - 1)], "psnr")
    ranked = np.argsort(-quality, kind="stable")
    num = min(num, len(ranked))
    ends = max(1, num // 3)
    middle = np.linspace(ends, len(ranked) - ends - 1, max(0, num - 2 * ends)).round().astype(int)
    kinds = dict.fromkeys(range(ends), "best") | dict.fromkeys(middle.tolist(), "between")
    kinds |= dict.fromkeys(range(len(ranked) - ends, len(ranked)), "worst") if num > 1 else {}
    return [Pick(int(ranked[rank]), kinds[rank]) for rank in sorted(kinds)]


def draw_contact_sheet(
    model: ChromaModel,
    photos: Photos,
    decoders: Sequence[Decoder],
    results: Results,
    *,
    size: int | None = None,
    num_photos: int = 12,
    class_logits: Callable[[], npt.NDArray[np.floating]] | None = None,
) -> Image.Image:
    """Colours the chosen photographs once more and lays them out, a row each.

    Args:
        model: The network.
        photos: The photographs that `results` is about.
        decoders: As in the evaluation.
        results: Of the evaluation; they choose the photographs and label the tiles.
        size: Working size, as in the evaluation.
        num_photos: Rows wanted.
        class_logits: What the network's segmentation head said since it was asked last, if it has one; asked once for
            each photograph.

    Returns:
        An RGB picture.
    """
    names = results.of(GREY)["photo"].to_pylist()
    quality = {name: results.values(name, "psnr") for name in results.decoders}
    rows = []
    maps: list[UInt8] = []
    for pick in track(choose(results, num_photos), description="contact sheet"):
        truth = decode_rgb(photos.encoded(pick.photo), name=names[pick.photo])
        tiles = [("truth", _fit(truth))]
        for name, picture in colored(model, truth, decoders, size):
            tiles.append((f"{name}  {quality[name][pick.photo]:.1f} dB", _fit(picture)))
        if class_logits is not None:
            shown = {"classes": predicted_classes(class_logits(), *truth.shape[:2])}
            if (png := photos.segmentation(pick.photo)) is not None:
                shown["true classes"] = decode_map(png)
            tiles += [(name, _fit(overlay(truth, classes))) for name, classes in shown.items()]
            maps += shown.values()
        rows.append(_row(f"{pick.kind}: {PurePosixPath(names[pick.photo]).name}", tiles))
    width = max(row.width for row in rows)
    if maps:
        rows.append(_legend(most_frequent(maps, LEGEND), width))
    sheet = Image.new("RGB", (width, MARGIN + sum(row.height for row in rows)), "white")
    top = MARGIN
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet


def save_contact_sheet(sheet: Image.Image, path: Path) -> None:
    """Writes a sheet; as JPEG without chroma subsampling, since chroma is what it shows."""
    sheet.save(path, quality=92, subsampling=0)


def _fit(picture: UInt8) -> Image.Image:
    tile = Image.fromarray(picture)
    tile.thumbnail(TILE, Image.Resampling.LANCZOS)
    return tile


def _row(title: str, tiles: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    width = MARGIN + len(tiles) * (TILE[0] + MARGIN)
    row = Image.new("RGB", (width, 2 * LINE + tiles[0][1].height + MARGIN), "white")
    _write(row, (MARGIN, 0), title, width - 2 * MARGIN, bold=True)
    for column, (label, tile) in enumerate(tiles):
        left = MARGIN + column * (TILE[0] + MARGIN)
        _write(row, (left, LINE), label, TILE[0])
        row.paste(tile, (left, 2 * LINE))
    return row


def _legend(classes: Sequence[int], width: int) -> Image.Image:
    columns = (width - MARGIN) // (TILE[0] + MARGIN)
    legend = Image.new("RGB", (width, LINE * -(-len(classes) // columns) + MARGIN), "white")
    for place, number in enumerate(classes):
        left, top = MARGIN + place % columns * (TILE[0] + MARGIN), place // columns * LINE
        legend.paste(tuple(COLORS[number].tolist()), (left, top + 2, left + LINE, top + LINE - 2))
        _write(legend, (left + LINE + MARGIN, top), NAMES[number], TILE[0] - LINE - MARGIN)
    return legend


def _write(sheet: Image.Image, position: tuple[int, int], text: str, width: int, bold: bool = False) -> None:
    """Writes one line, cut with an ellipsis where it would be wider than `width`."""
    font = ImageFont.load_default(15 if bold else 13)
    if font.getlength(text) > width:
        while text and font.getlength(text + "…") > width:
            text = text[:-1]
        text += "…"
    ImageDraw.Draw(sheet).text(position, text, fill="black" if bold else "dimgray", font=font)
