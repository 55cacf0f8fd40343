"""Ends a process in thought: from a chosen moment on, no call reaches the store any more."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pytest
from mlflow import MlflowClient

every_moment = pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.stack)])
"""Every third moment is tried on every day, each one before a release."""
CHANGING = ("create_", "set_", "update_", "delete_", "rename_", "log_artifacts")


class Killed(Exception):
    """Nothing happens after this."""


@dataclass
class Calls:
    """What was called, and whether the end came."""

    names: list[str] = field(default_factory=list)
    killed: bool = False


@contextlib.contextmanager
def killed_at(step: int) -> Iterator[Calls]:
    """Lets `step` changing calls of a client through, and then none of any kind.

    Calls of the sink that records runs, and the signs of life of locks, come from threads of their own and are let
    through uncounted until the end.
    """
    calls = Calls()

    def through(name: str, real: Any) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            counts = threading.current_thread() is threading.main_thread() and name.startswith(CHANGING)
            if calls.killed or (counts and len(calls.names) == step):
                calls.killed = True
                raise Killed(name)
            if counts:
                calls.names.append(name)
            return real(self, *args, **kwargs)

        return call

    names = [name for name in dir(MlflowClient) if not name.startswith("_") and callable(getattr(MlflowClient, name))]
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(mock.patch.object(MlflowClient, name, through(name, getattr(MlflowClient, name))))
        with contextlib.suppress(Killed):
            yield calls


def sweep(uri: str) -> None:
    """Removes the locks of the dead at once, rather than after a lease; test_lock.py does the waiting."""
    client = MlflowClient(uri, uri)
    for model in client.search_registered_models():
        if model.name.endswith("-lock"):
            client.delete_registered_model(model.name)
