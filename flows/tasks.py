"""The steps that flows are made of. Each works in the current folder, the root of a repository.

What computes is imported inside the steps, so that a run with nothing to do ends quickly.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from prefect import State, Task, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from flows import ask_dvc
from flows.checkout import keep_lock
from flows.progress import Progress, curves
from scenehue.errors import UnreachableError
from scenehue.params import Params, load_params
from scenehue.tracking.code import code_state

ROOT = Path()


_NOISE = re.compile(
    r"━|No file hash info found|^(Generating|Updating) lock file|^To (track the changes|enable auto staging)|"
    r"^\s+git add|dvc config core.autostage|^Use `dvc push`|^> "
)
"""Lines that tell nobody anything: progress bars, and what DVC advises people at the keyboard."""


def say(line: str) -> None:
    """A line in the log of the run."""
    if not _NOISE.search(line):
        get_run_logger().info("%s", line)


def current_params() -> Params:
    """Those of the repository."""
    return load_params(ROOT / "params.yaml")


def tell_code() -> None:
    """Says in the log which code runs, and warns if it is not committed."""
    state = code_state(ROOT)
    if state is None:
        get_run_logger().warning("There is no git commit here: what this run makes cannot be registered.")
    elif state.changed:
        get_run_logger().warning(
            "The code is that of commit %s, with changes that are not committed (%s): what this run makes is not "
            "registered unless asked for.",
            state.commit[:9],
            ", ".join(state.changed[:5]),
        )
    else:
        say(f"The code is that of commit {state.commit[:9]}.")


def _may_pass(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether trying again may help: a storage or a server that does not answer may be back in a while."""
    del task, run
    return isinstance(state.result(raise_on_failure=False), UnreachableError)


PATIENT: Any = {"retries": 3, "retry_delay_seconds": [15, 60, 240], "retry_condition_fn": _may_pass}


@task(cache_policy=NO_CACHE)
def look_for_changes() -> list[str]:
    """Stages that are due, after looking what photographs there are."""
    return ask_dvc.due(ROOT, say)


@task(cache_policy=NO_CACHE, **PATIENT)
def pull() -> None:
    """Fetches results from DVC's remote, where there is one."""
    name = ask_dvc.pull(ROOT, say)
    say(f"Fetched from '{name}'." if name else "There is no DVC remote to fetch from.")


@task(cache_policy=NO_CACHE, **PATIENT)
def push() -> None:
    """Brings results to DVC's remote, where there is one."""
    name = ask_dvc.push(ROOT, say)
    say(f"Uploaded to '{name}'." if name else "There is no DVC remote to upload to.")


@task(cache_policy=NO_CACHE)
def label() -> list[str]:
    """Asks for all stages before the training; shows what there is to train on."""
    from flows import pages

    before = pages.photo_ids(ROOT)
    new = ask_dvc.reproduce(ROOT, ask_dvc.LABELS, say)
    _keep("labels")
    create_markdown_artifact(pages.labels_page(ROOT, before), key="labels", description="What there is to train on")
    return new


@task(cache_policy=NO_CACHE)
def train() -> list[str]:
    """Asks for the training; shows its progress meanwhile."""
    from flows import pages

    progress = Progress(ROOT, current_params().train.epochs)
    new = ask_dvc.reproduce(ROOT, ("train",), say, progress.look)
    _keep("training")
    page = pages.training_page(curves(ROOT / "artifacts/train/curves.csv"), "train" in new)
    create_markdown_artifact(page, key="training", description="Losses and metrics by epoch")
    return new


@task(cache_policy=NO_CACHE)
def evaluate() -> list[str]:
    """Asks for the evaluation of the network on the test photographs."""
    new = ask_dvc.reproduce(ROOT, ("evaluate",), say)
    _keep("evaluation")
    return new


def _keep(what: str) -> None:
    """Keeps ``dvc.lock`` on the checkout's own branch."""
    if commit := keep_lock(ROOT, f"dvc.lock after {what}\n\nFlow run {flow_run.get_name() or ''}"):
        say(f"dvc.lock is kept as commit {commit[:9]}.")
