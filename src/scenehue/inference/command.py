"""The verbs ``colorize`` and ``export``; what they need is imported when they run."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from scenehue.errors import ScenehueError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.progress import Progress

    from scenehue.inference.batch import Result
    from scenehue.inference.items import Item
    from scenehue.inference.sinks import Sink

STANDARD = "-"
S3 = "s3://"
RESULT_SUFFIX = "-color"
"""Put behind the name of a photo or a folder when no output is named."""

ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="`released`, the folder of a model, an .onnx file, or models:/NAME@ALIAS.")
]
DecoderOption = Annotated[
    str | None,
    typer.Option(help="reg, mode, mean, annealed or vivid; the model's best without one.", show_default=False),
]


def colorize(
    inputs: Annotated[
        list[str], typer.Argument(metavar="IN...", help="Photos, patterns, folders, s3:// addresses, or - for stdin.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="A file, a folder, an s3:// address, or - for stdout. Without one, results lie"
            " beside the originals, named NAME-color.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = "released",
    decoder: DecoderOption = None,
    saturation: Annotated[float | None, typer.Option(help="Factor on all chroma.", show_default=False)] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of annealed and vivid: 1 is calm, towards 0 bold.", show_default=False)
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=32, max=4096, help="Short side at which the network sees a photo.", show_default=False),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="jpeg, png, tiff, webp, avif or heic; each original's own without one.",
            show_default=False,
        ),
    ] = None,
    quality: Annotated[
        int | None, typer.Option("--quality", "-q", min=1, max=100, help="Of lossy formats.", show_default=False)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Skip photos whose result is there.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that are there.")] = False,
    replace_originals: Annotated[
        bool, typer.Option("--replace-originals", help="Write results over the photos themselves.")
    ] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Write a before/after sheet beside each result.")] = False,
    json_log: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each photo.")] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Photos worked on at once; the number of cores without one.", show_default=False),
    ] = None,
    max_megapixels: Annotated[float, typer.Option(min=0.000001, help="Refuse bigger photos.")] = 200.0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
) -> None:
    """Colour photographs, in full resolution and with all that their files carry.

    Bad photos are reported together at the end and do not stop the others. The exit code is 0 when all went
    well, 1 when some failed or nothing could be begun, 2 when an option cannot be understood.
    """
    import os

    from scenehue.inference.batch import Batch, Existing
    from scenehue.inference.convert import Settings
    from scenehue.inference.formats import format_named
    from scenehue.inference.items import find_photos, lies_in
    from scenehue.inference.loading import load_model

    kind = format_named(format) if format else None
    there = output if output and (os.path.isdir(output) or output.startswith(S3)) else None
    if there and any(lies_in(there, text) for text in inputs):
        print(f"{output}: holds results, so photos in it are left out", file=sys.stderr)
    items, sink = plan(find_photos(inputs, output), inputs, output, replace_originals)
    if output == STANDARD and compare:
        raise ScenehueError(
            "--compare needs a place for its sheets, and standard output is none; name a file or folder"
        )
    count = min(workers or os.cpu_count() or 1, len(items))
    network, card = load_model(model, device, dtype, threads=1 if count > 1 else None)
    settings = Settings(size, card.decoder(decoder, temperature, saturation), kind, quality, max_megapixels, compare)
    batch = Batch(network, sink, settings, Existing(resume, overwrite, replace_originals), count)
    failures = follow(batch.run(items), len(items), json_log, sys.stderr if output == STANDARD else sys.stdout)
    if failures:
        print(f"{len(failures)} of {len(items)} photos failed:", file=sys.stderr)
        for result in failures:
            print(f"  {result.source}: {result.reason}", file=sys.stderr)
        raise typer.Exit(1)


def plan(
    items: Sequence[Item], inputs: Sequence[str], output: str | None, replace_originals: bool = False
) -> tuple[list[Item], Sink]:
    """Decides where each result goes.

    Args:
        items: The photos found.
        inputs: What the user named.
        output: Where the user wants them: one file, a folder, an ``s3://`` address, ``-``, or nothing.
        replace_originals: Without an output, results go where the originals are.

    Returns:
        The photos with their places, and what writes them.

    Raises:
        ScenehueError: Several photos would go to one place, photos without a place of their own have no output, or the
            output is no place for them.
    """
    import os
    from dataclasses import replace
    from pathlib import PurePosixPath

    from scenehue.inference.formats import FORMATS, PHOTO_SUFFIXES, format_of_path
    from scenehue.inference.sinks import FolderSink, S3Sink, StandardSink

    single = len(items) == 1 and len(inputs) == 1 and not os.path.isdir(inputs[0])
    if output == STANDARD:
        if not single:
            raise ScenehueError(f"{len(items)} photos cannot all go to standard output; name a folder with -o")
        return [replace(items[0], exact=True)], StandardSink()
    if output is None:
        if any(item.name == STANDARD or item.name.startswith(S3) for item in items):
            raise ScenehueError("say with -o where the results are to go")
        if replace_originals:
            beside = [replace(item, relative=PurePosixPath(Path(item.name).absolute().as_posix())) for item in items]
        else:
            beside = _without_results([_beside(item) for item in items])
        return beside, FolderSink(Path())
    one_file = single and not output.endswith("/") and format_of_path(output) is not None
    suffix = PurePosixPath(output).suffix.lower()
    if suffix in PHOTO_SUFFIXES and not one_file and not output.endswith("/") and not os.path.isdir(output):
        if single:
            raise ScenehueError(f"{output}: {suffix[1:].upper()} files are not written; choose {', '.join(FORMATS)}")
        raise ScenehueError(f"{output} is the name of one photo; name a folder for several, or write {output}/")
    if output.startswith(S3):
        folder, _, name = output.rpartition("/") if one_file else (output, "", "")
        sink: Sink = S3Sink(folder)
    else:
        one_file = one_file and not os.path.isdir(output)
        path = Path(output)
        folder, name = (str(path.parent), path.name) if one_file else (output, "")
        sink = FolderSink(Path(folder))
    if one_file:
        return [replace(items[0], relative=PurePosixPath(name), exact=True)], sink
    if any(item.name == STANDARD for item in items):
        raise ScenehueError("a photo from standard input has no name; name its result with -o FILE or -o -")
    return list(items), sink


def _beside(item: Item) -> Item:
    """``old.jpg`` becomes ``old-color.jpg``; ``scans/1920/a.jpg``, found in ``scans``, ``scans-color/1920/a.jpg``."""
    import os
    from dataclasses import replace
    from pathlib import PurePosixPath

    path, relative = Path(os.path.abspath(item.name)), item.relative
    if len(relative.parts) == 1 and not item.in_folder:
        place = path.with_name(f"{path.stem}{RESULT_SUFFIX}{path.suffix}")
    else:
        folder = path.parents[len(relative.parts) - 1]
        place = folder.with_name(folder.name + RESULT_SUFFIX) / relative
    return replace(item, relative=PurePosixPath(place.as_posix()))


def _without_results(items: list[Item]) -> list[Item]:
    """Leaves out what earlier runs wrote beside the originals, as ``*.jpg`` finds it at the next one."""
    from scenehue.inference.batch import sheet_name
    from scenehue.inference.items import place_of

    results = {str(place) for item in items for place in (item.relative, sheet_name(item.relative))}
    kept = [item for item in items if place_of(item.name) not in results]
    if len(kept) < len(items):
        print(f"{len(items) - len(kept)} results of earlier runs are left out", file=sys.stderr)
    return kept


def follow(results: Iterable[Result], total: int, json_log: bool, stream: TextIO) -> list[Result]:
    """Shows progress, prints what is lost, and collects failures.

    Args:
        results: As photos are finished.
        total: Number of photos.
        json_log: Prints a line of JSON for each.
        stream: Where those go.

    Returns:
        The failed ones.
    """
    failures = []
    bar = _progress() if total > 1 and sys.stderr.isatty() else None
    with bar or contextlib.nullcontext():
        task = bar.add_task("Colouring", total=total) if bar else None
        for result in results:
            if bar and task is not None:
                bar.advance(task)
            if json_log:
                print(json.dumps(result.as_dict()), file=stream, flush=True)  # ASCII: names may be no valid Unicode
            for note in result.notes:
                line = f"{result.source}: {note}"
                bar.console.print(line, markup=False, highlight=False) if bar else print(line, file=sys.stderr)
            if result.status == "failed":
                failures.append(result)
    return failures


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.1f} photos/s" if speed else "")

    console = Console(stderr=True, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    return Progress(*columns, console=console, speed_estimate_period=30)


def export(
    output: Annotated[Path, typer.Argument(help="The file to write.", show_default=False)],
    model: ModelOption = "released",
    to: Annotated[str, typer.Option(help="onnx or torch-export.")] = "onnx",
    decoder: DecoderOption = None,
    full: Annotated[
        bool, typer.Option("--full", help="ONNX weights in single precision, a file twice as large.")
    ] = False,
) -> None:
    """Write a model as a file that runs without this project's training packages, and check it against the network.

    An ONNX graph takes the lightness and a temperature (0 stands for the regression head) and gives ab; a torch.export
    program contains one decoder. Both take any batch, and any height and width that the network takes, the latter from
    twice the smallest on.
    """
    from scenehue.inference.card import read_card
    from scenehue.inference.loading import find_model

    if to not in ("onnx", "torch-export"):
        raise ScenehueError(f"there is no target {to!r}; choose onnx or torch-export")
    folder = find_model(model)
    try:
        from scenehue.inference.export import export_onnx, export_torch
        from scenehue.models.checkpoint import load_checkpoint

        net, card = load_checkpoint(folder)
        if to == "onnx":
            difference = export_onnx(net, card, output, half=not full)
        else:
            difference = export_torch(net, card, output, read_card(folder).decoder(decoder))
    except ModuleNotFoundError as error:
        raise ScenehueError(f"exporting needs {error.name}: pip install 'scenehue[train]'") from error
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, at most {difference:.2g} ab units away from the network")
