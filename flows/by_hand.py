"""Flows as ordinary commands: their parameters as options, and a failure as one sentence."""

from __future__ import annotations

import functools
import sys
from typing import Any

import typer
from prefect import Flow

from scenehue.errors import ScenehueError


def run(flow: Flow[..., Any]) -> None:
    """Runs a flow with what was typed; the exit status is 1 when it fails for a reason that the user can mend."""

    @functools.wraps(flow.fn)
    def typed(**given: Any) -> None:
        try:
            flow(**given)
        except ScenehueError as error:
            sys.exit(f"Error: {error}")

    typed.__doc__ = (flow.fn.__doc__ or "").split("\n\n")[0]
    typer.run(typed)
