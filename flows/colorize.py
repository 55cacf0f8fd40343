"""A whole archive in colour: a folder or an s3:// prefix of photographs, on this machine or on a Ray cluster.

python -m flows.colorize SOURCE TARGET [--model models:/NAME@ALIAS] [--ray auto] [--workers 2]

Stopped in whatever way and started again, it goes on where it was; started once more, it colours what is new, what has
changed and what had failed, and else does nothing. What it knows lies in ``resume/colorize``.

Ray is used directly rather than through Prefect's task runner for it, which starts every shard at once, wants Prefect
and its server within reach of every worker, and lets a Ray that it starts listen on all interfaces.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from prefect import State, flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed
from pydantic import ValidationError

from flows import pages, tasks
from scenehue.cluster import connected
from scenehue.data.files import home_of
from scenehue.data.parallel import default_workers
from scenehue.errors import ParamsError, ScenehueError
from scenehue.inference import bulk
from scenehue.inference.bulk import ModelFiles, Work
from scenehue.inference.bulk_job import Job, Outcome
from scenehue.inference.convert import Settings
from scenehue.inference.formats import format_named
from scenehue.inference.s3 import S3
from scenehue.params import MachineParams

_SHOWN = 50


@flow
def colorize(
    source: str,
    target: str,
    model: str | None = None,
    decoder: str | None = None,
    size: int | None = None,
    format: str | None = None,
    quality: int | None = None,
    keep: bool = False,
    shard_photos: int = 64,
    ray: str | None = None,
    workers: int | None = None,
) -> State[None]:
    """Colours all photographs of a folder or prefix.

    Args:
        source: Folder, or ``s3://`` prefix.
        target: Folder, or ``s3://`` prefix.
        model: ``released``, a folder, or ``models:/NAME@ALIAS``; without one, the registry's champion.
        decoder: As for ``scenehue colorize``.
        size: As for ``scenehue colorize``.
        format: As for ``scenehue colorize``.
        quality: As for ``scenehue colorize``.
        keep: Results that are there already, from whatever, are kept; else they are replaced.
        shard_photos: Photographs that a worker takes at once.
        ray: In place of ``machine.ray``.
        workers: In place of ``machine.workers``.
    """
    params = tasks.current_params()
    changes = {name: value for name, value in (("ray", ray), ("workers", workers)) if value is not None}
    try:
        machine = MachineParams.model_validate(params.machine.model_dump() | changes)
    except ValidationError as error:
        raise ParamsError("ray is auto, HOST:PORT or ray://HOST:PORT, and workers are 0 or more") from error
    files = ModelFiles.read(model or f"models:/{params.registry.name}@champion")
    way = files.load()[1].decoder(decoder)
    settings = Settings(size, way, format_named(format) if format else None, quality)
    work = Work(files, _absolute(target), settings, keep, machine.device)
    return Completed(message=color_all(_absolute(source), work, machine, shard_photos))


@task(cache_policy=NO_CACHE)
def color_all(source: str, work: Work, machine: MachineParams, shard_photos: int) -> str:
    """Colours what is not coloured yet, and shows what became of all.

    Returns:
        That in a sentence.

    Raises:
        ScenehueError: Another run is at work on the same, or there is no photograph.
    """
    about = work.about(source)
    name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    job = Job(home_of(tasks.ROOT) / "resume/colorize" / name, source, work.settings, shard_photos, about)
    with job.alone():
        if job.is_complete:
            tasks.say(f"{job.list_new()} photographs are new.")
        now = run_job(job, work, machine, tasks.say)
        total = job.report()
    said = in_words(now, total)
    create_markdown_artifact(page(source, work.target, said, total, job.folder), key="colorize", description=said)
    tasks.say(said)
    return said


def run_job(job: Job, work: Work, machine: MachineParams, say: Callable[[str], None]) -> Outcome:
    """Colours what is pending, over Ray if so wished; starts nothing where there is nothing to do.

    Returns:
        What this run has done.
    """
    workers = max(1, default_workers(machine.workers))
    with ExitStack() as stack:
        shards: bulk.Map = bulk.one_after_the_other
        changes: dict[str, Any] = {"threads": workers}
        if machine.ray and next(job.pending(), None):
            cluster = stack.enter_context(connected(machine.ray, workers))
            on_gpu = cluster.computes_on_gpu(machine.device)
            shards = partial(cluster.map, on_gpu=on_gpu)
            changes = {"device": "cuda"} if on_gpu else {}
            say(f"Ray has {cluster.workers} workers.")
        return bulk.run(job, partial(bulk.color_shard, work.on(**changes)), shards, _teller(say))


def _teller(say: Callable[[str], None], every: int = 1000) -> Callable[[Outcome], None]:
    told = 0

    def tell(so_far: Outcome) -> None:
        nonlocal told
        if so_far.photos - told >= every:
            told = so_far.photos
            say(f"{so_far.photos} photographs, {len(so_far.failures)} of them failed.")

    return tell


def in_words(now: Outcome, total: Outcome) -> str:
    """What was done, in a sentence.

    Example:
        >>> in_words(Outcome(done=2, failures={"a.jpg": "is gone"}), Outcome(done=9, failures={"a.jpg": "is gone"}))
        'Coloured 2 photographs now, 9 of 10 in all; 1 failed.'
    """
    kept = f" {total.skipped} had a result that was kept;" if total.skipped else ""
    done = f"Coloured {now.done} photographs now, {total.done} of {total.photos} in all"
    return f"{done};{kept} {len(total.failures)} failed."


def page(source: str, target: str, said: str, total: Outcome, folder: Path) -> str:
    """The report as Markdown: counts, and failures with their reasons."""
    counts = [["coloured", total.done], ["kept as they were", total.skipped], ["failed", len(total.failures)]]
    sections = [f"# Colouring\n\n`{source}` to `{target}`. {said}", pages.table(["photographs", ""], counts)]
    if total.failures:
        some = list(total.failures.items())[:_SHOWN]
        cells = [[f"`{name}`", reason.replace("|", "\\|").replace("\n", " ")] for name, reason in some]
        sections += ["## Failed", pages.table(["file", "reason"], cells)]
        sections += [f"All {len(total.failures)} are in `{folder / 'failures.csv'}`."]
    if total.notes:
        sections += ["## What could not be carried over", "\n".join(f"- {note}" for note in total.notes[:_SHOWN])]
    return "\n\n".join(sections)


def _absolute(place: str) -> str:
    return place if place.startswith(S3) else str(Path(place).resolve())


def main(
    source: Annotated[str, typer.Argument(help="A folder or an s3:// prefix of photographs.")],
    target: Annotated[str, typer.Argument(help="The folder or prefix for the results.")],
    model: Annotated[str | None, typer.Option(help="`released`, a folder, or models:/NAME@ALIAS.")] = None,
    decoder: str | None = None,
    size: int | None = None,
    format: str | None = None,
    quality: int | None = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep results that are there already.")] = False,
    shard_photos: int = 64,
    ray: Annotated[str | None, typer.Option(help="auto, or the address of a cluster.")] = None,
    workers: int | None = None,
) -> None:
    """Colour a whole archive; see `scenehue colorize --help` for what the options mean."""
    try:
        colorize(source, target, model, decoder, size, format, quality, keep, shard_photos, ray, workers)
    except ScenehueError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    typer.run(main)
