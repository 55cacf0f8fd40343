"""Runs the experiments that a file describes, as DVC experiments, and prints what came out.

The file holds ``params``, which are laid over params.yaml, and may hold a ``grid``, of which every combination becomes
an experiment. Changes given on the command line come last::

    python scripts/experiments.py experiments/ablation.yaml train.epochs=1

The experiments go through DVC's queue: an interrupt here stops the watching, not the work (``dvc queue status``,
``dvc queue kill``), and what is computed already, such as the data set, is taken from the cache.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import dvc.api
import typer
import yaml
from dvc.exceptions import DvcException
from dvc.scm import SCMError
from rich.console import Console
from rich.table import Table

from scenehue.evaluation.report import COLUMNS
from scenehue.tracking.store import flatten

METRICS = "artifacts/evaluate/metrics.json"
SHOWN = ("psnr", "psnr_over_grey", "ssim", "colorfulness")


def combinations(plan: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and changed params of each experiment of a plan."""
    base = flatten(plan.get("params", {}), lists=False)
    axes = plan.get("grid", {}).values()
    for choice in itertools.product(*(axis.items() for axis in axes)):
        changes = dict(base)
        for _, params in choice:
            changes |= flatten(params, lists=False)
        yield "-".join([plan["name"], *(label for label, _ in choice)]), changes


def results_table(runs: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row for each decoder of each run, under the grey baseline by which they must be read."""
    first = next(iter(runs.values()))
    table = Table(title=f"Mean over {first['photos']} test photographs")
    for heading in ("experiment", "decoder"):
        table.add_column(heading, no_wrap=True)
    for name in SHOWN:
        table.add_column(COLUMNS[name][0], justify="right")

    def row(run: str, decoder: str, values: Mapping[str, float]) -> None:
        table.add_row(
            run, decoder, *(f"{values[name]:.{COLUMNS[name][1]}f}" if name in values else "" for name in SHOWN)
        )

    row("", "truth", first["truth"])
    row("", "grey", first["grey"])
    for run, metrics in runs.items():
        table.add_section()
        decoders = [name for name in metrics if name not in ("photos", "truth", "scene", "segmentation", "grey")]
        for decoder in decoders:
            row(run if decoder == decoders[0] else "", decoder, metrics[decoder])
    return table


def main(
    plan: Annotated[Path, typer.Argument(help="The experiments, such as experiments/ablation.yaml.")],
    changes: Annotated[list[str] | None, typer.Argument(help="More changes of params, as in train.epochs=1.")] = None,
) -> None:
    """Queues the experiments, runs them, and prints their metrics."""
    suffix = time.strftime("%m%d-%H%M%S")
    names = []
    for name, params in combinations(yaml.safe_load(plan.read_text(encoding="utf-8"))):
        names.append(f"{name}-{suffix}")
        settings = [f"{key}={json.dumps(value)}" for key, value in params.items()] + (changes or [])
        command = ["dvc", "exp", "run", "--queue", "--name", names[-1]]
        queued = subprocess.run([*command, *(part for setting in settings for part in ("--set-param", setting))])
        if queued.returncode:  # DVC has said which change it cannot make
            sys.exit(queued.returncode)
    subprocess.run(["dvc", "exp", "run", "--run-all"], check=False)  # what failed is told below

    runs, failed = {}, []
    for name in names:
        try:
            runs[name.removesuffix(f"-{suffix}")] = json.loads(dvc.api.read(METRICS, rev=name))
        except (DvcException, SCMError, OSError):
            failed.append(name)
    if runs:
        Console().print(results_table(runs))
    if failed:
        sys.exit(f"No results of {', '.join(failed)}; `dvc queue logs {failed[0]}` tells why.")
    print("Compare them with `dvc exp show`, in MLflow, or take one over with `dvc exp apply NAME`.")


if __name__ == "__main__":
    typer.run(main)
