"""The last evaluation on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from scenehue.evaluation.report import COLUMNS
from scenehue.evaluation.results import GREY, Results

_SHOWN = ("psnr", "psnr_over_grey", "ssim", "relative_error_ab", "colorfulness", "delta_colorfulness", "lpips")


def print_results(folder: Path, console: Console | None = None) -> None:
    """Prints the means of an evaluation as a table, and where the pictures are.

    Args:
        folder: The stage's outputs, ``artifacts/evaluate``.
        console: Where to; stdout without one.

    Raises:
        ArtifactError: There is no evaluation in the folder.
    """
    results = Results.load(folder)
    means = results.means()
    columns = [name for name in _SHOWN if name in results.metrics or name == "psnr_over_grey"]
    table = Table(title=f"{means['photos']} test photographs, working size {results.about['size']}")
    table.add_column("decoder")
    for name in columns:
        table.add_column(COLUMNS[name][0], justify="right")
    table.add_row("truth", *(f"{means['truth'][name]:.1f}" if name in means["truth"] else "" for name in columns))
    for decoder in results.decoders:
        values = [means[decoder].get(name) for name in columns]
        cells = [
            "" if value is None else f"{value:.{COLUMNS[name][1]}f}"
            for name, value in zip(columns, values, strict=True)
        ]
        table.add_row(decoder, *cells, end_section=decoder == GREY)
    console = console or Console()
    console.print(table)
    if "scene" in means:
        console.print(
            f"Scene from grey: first class {means['scene']['top1']:.1%}, among five {means['scene']['top5']:.1%}."
        )
    if "segmentation" in means:
        console.print(
            f"Segmentation from grey: mean IoU {means['segmentation']['miou']:.3f}, pixel accuracy "
            f"{means['segmentation']['pixel_accuracy']:.1%}."
        )
    for path, what in ((folder / "contact_sheet.jpg", "Pictures"), (folder / "report.md", "Intervals and definitions")):
        if path.is_file():
            console.print(f"{what}: {path}", highlight=False, soft_wrap=True)
