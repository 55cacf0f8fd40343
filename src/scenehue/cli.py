"""The command line: one verb per stage, and what people do with the result.

Libraries are imported inside the verbs, so that ``scenehue --help`` is quick and colorizing needs no torch.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from scenehue.errors import ScenehueError
from scenehue.inference.command import colorize, export
from scenehue.registry.command import models

STAGES = {
    "sources": "List the photographs: path, size, hash.",
    "dataset": "Check the photographs and store them as shards.",
    "scene_probs": "Let a teacher say which scenes they show.",
    "color_prior": "Weigh the rare ones of the 313 colours up.",
    "train": "Train the network, or go on where it was stopped.",
    "evaluate": "Measure it on test photographs, beside grey.",
}
"""Stage, and what it does. A stage's name is also its section of params.yaml, its module and its folder of results."""

NO_REPORTING = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "NO_ALBUMENTATIONS_UPDATE": "1",
}
"""Settings under which libraries report nothing to anyone and look for no updates."""

app = typer.Typer(
    help="Colour for black-and-white photographs, and the workflow that trains, versions and evaluates the network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ParamsFile = Annotated[Path, typer.Option("--params", help="The configuration.")]
Checkpoints = Annotated[
    list[str],
    typer.Argument(help="Folders of models, `released`, or models:/ addresses; one named twice counts twice."),
]
NewModel = Annotated[Path, typer.Option("--output", "-o", help="Folder of the new model.")]
Half = Annotated[bool, typer.Option("--half", help="Store the weights in half precision.")]


def _stage_verb(stage: str) -> Callable[[Path], None]:
    def verb(params: ParamsFile = Path("params.yaml")) -> None:
        from scenehue.params import load_params

        checked = load_params(params)
        importlib.import_module(f"scenehue.stages.{stage}").run(checked, Path())

    return verb


app.command()(colorize)
app.command()(export)
app.add_typer(models, name="models")
for _stage, _help in STAGES.items():
    app.command(_stage, help=f"Stage: {_help}")(_stage_verb(_stage))


@app.command()
def report() -> None:
    """Show what the last evaluation measured."""
    from scenehue.evaluation.console import print_results

    print_results(Path("artifacts/evaluate"))


@app.command()
def average(
    checkpoints: Checkpoints, output: NewModel, half: Half = False, params: ParamsFile = Path("params.yaml")
) -> None:
    """Average the weights of models trained from one start, and set the result's decoders."""
    _combine("average", checkpoints, output, half, params)


@app.command()
def ensemble(
    checkpoints: Checkpoints, output: NewModel, half: Half = False, params: ParamsFile = Path("params.yaml")
) -> None:
    """Let models of any starts colour together, their predictions averaged, and set the result's decoders."""
    _combine("ensemble", checkpoints, output, half, params)


def _combine(
    by: Literal["average", "ensemble"], checkpoints: list[str], output: Path, half: bool, params: Path
) -> None:
    from scenehue.inference.loading import find_model
    from scenehue.params import load_params
    from scenehue.training.combine import combine

    combine(load_params(params), by, [find_model(name) for name in checkpoints], output, Path(), half)


@app.command()
def record(params: ParamsFile = Path("params.yaml")) -> None:
    """Record the last training in MLflow if it is missing."""
    from scenehue.params import load_params
    from scenehue.tracking.rebuild import rebuild_run

    print(rebuild_run(load_params(params).tracking, Path()))


def main() -> None:
    """Runs the command line; an error that the user can mend is one message on stderr and exit code 1."""
    for name, value in NO_REPORTING.items():
        os.environ.setdefault(name, value)
    try:
        app()
    except ScenehueError as error:
        from rich.console import Console

        Console(stderr=True, soft_wrap=True, highlight=False).print(f"Error: {error}", style="red", markup=False)
        sys.exit(1)
