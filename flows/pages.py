"""What a run shows in Prefect: Markdown pages from the files that stages leave."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image

from scenehue.evaluation.report import COLUMNS
from scenehue.evaluation.results import GREY, Results

SPLITS = ("train", "val", "test")
_SHOWN = ("psnr", "ssim", "relative_error_ab", "colorfulness", "delta_colorfulness", "lpips")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table.

    Example:
        >>> print(table(["split", "photos"], [["train", 81]]))
        | split | photos |
        |---|---|
        | train | 81 |
    """
    lines = [header, *rows]
    drawn = [f"| {' | '.join(str(cell) for cell in line)} |" for line in lines]
    return "\n".join([drawn[0], "|" + "---|" * len(header), *drawn[1:]])


def picture(path: Path, title: str, width: int = 900) -> str:
    """A picture as Markdown that carries it along, scaled down; a sentence where there is none."""
    if not path.is_file():
        return f"There is no {path.name} here."
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((width, 4 * width))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=70)
    return f"![{title}](data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()})"


def photo_ids(root: Path) -> frozenset[str]:
    """Ids of all photographs in the data set; none where there is no data set yet."""
    path = root / "artifacts/dataset/manifest.parquet"
    return frozenset(pq.read_table(path, columns=["id"])["id"].to_pylist()) if path.is_file() else frozenset()


def labels_page(root: Path, before: frozenset[str]) -> str:
    """What there is to train on: photographs, those that are new, rejects, scenes, the prior.

    Args:
        root: The repository, with the results of the stages up to ``scene_probs`` and ``color_prior``.
        before: Ids of the photographs before the stages ran.
    """
    artifacts = root / "artifacts"
    manifest = pq.read_table(artifacts / "dataset/manifest.parquet", columns=["id", "split", "path"]).to_pylist()
    counts = Counter(row["split"] for row in manifest)
    new = [row for row in manifest if row["id"] not in before]
    fresh = Counter(row["split"] for row in new)
    gone = len(before - {row["id"] for row in manifest})
    names = ", ".join(f"`{row['path']}`" for row in new[:10])
    changes = f"{len(new)} new: {names}{' ...' if len(new) > 10 else ''}." if new and before else f"{len(new)} new."
    sections = [
        "# Labels",
        table(
            ["split", "photographs", "new"],
            [[split, counts[split], fresh[split]] for split in SPLITS] + [["all", len(manifest), len(new)]],
        ),
        f"{changes} {gone} that were there before are gone.",
        "## Rejected",
        _rejects(artifacts / "dataset/rejects.csv"),
        "## Scenes, as the teacher sees them",
        _scenes(artifacts / "scene_probs/scenes.csv"),
        "## Colours",
        picture(artifacts / "color_prior/color_prior.png", "How frequent each colour is"),
    ]
    return "\n\n".join(sections)


def _rejects(path: Path) -> str:
    if not path.is_file():
        return "No list of rejects here."
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        reasons = Counter(re.split(r":| of | \(", row["reason"])[0] for row in csv.DictReader(file))
    return table(["reason", "files"], reasons.most_common()) if reasons else "None."


def _scenes(path: Path, most: int = 15) -> str:
    if not path.is_file():
        return "No table of scenes here."
    with path.open(newline="", encoding="utf-8") as file:
        rows = [(row["scene"], int(row["photos"])) for row in csv.DictReader(file)]
    longest = max((count for _, count in rows), default=1)
    shown = [(scene, count, "█" * max(1, round(20 * count / longest))) for scene, count in rows[:most]]
    rest = sum(count for _, count in rows[most:])
    return table(["scene", "photographs", ""], shown) + (f"\n\n{rest} more show others." if rest else "")


def training_page(rows: Sequence[dict[str, str]], new: bool) -> str:
    """The numbers of a training, a line for each validation."""
    said = "The network was trained." if new else "Nothing to train: data, params and code are the same."
    if not rows:
        return f"# Training\n\n{said}"
    names = [name for name in rows[0] if not name.startswith("lr-")]
    cells = [[_short(row.get(name, "")) for name in names] for row in rows]
    return f"# Training\n\n{said}\n\n{table(names, cells)}"


def _short(text: str) -> str:
    try:
        return f"{float(text):.5g}"
    except ValueError:
        return text


def evaluation_page(ours: Results, champion: Results | None, title: str, note: str, sheet: Path) -> str:
    """The network beside grey and beside the champion, on the same photographs.

    Args:
        ours: Of the network that was just trained.
        champion: Of the champion, on the same photographs; None where there is none to compare with.
        title: The champion's name.
        note: What the reader has to know about the comparison.
        sheet: The contact sheet.
    """
    shown = results_table(ours, "this network", *([(title, champion)] if champion else []))
    sections = ["# Evaluation", f"{len(ours.ids)} test photographs. {note}", shown]
    return "\n\n".join([*sections, picture(sheet, "Contact sheet")])


def results_table(results: Results, title: str, *others: tuple[str, Results]) -> str:
    """Means of several models on the same photographs as a Markdown table, grey once.

    Args:
        results: Of the first model; its metrics are the columns.
        title: Its name.
        others: Names and results of more models.
    """
    names = [name for name in _SHOWN if name in results.metrics]
    rows = _rows(title, results, names)
    for name, other in others:
        rows += _rows(name, other, names)[1:]
    return table(["", "decoder", "above grey, dB", *(COLUMNS[name][0] for name in names)], rows)


def _rows(title: str, results: Results, names: list[str]) -> list[list[str]]:
    rows = []
    for decoder in results.decoders:
        above = "" if decoder == GREY else f"{results.over_grey(decoder).mean:.2f}"
        values = [
            f"{results.values(decoder, name).mean():.{COLUMNS[name][1]}f}" if name in results.metrics else ""
            for name in names
        ]
        rows.append(["" if decoder == GREY else title, decoder, above, *values])
    return rows
