"""What the supervisor knows of a service."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Service:
    """A program to keep running, or a step to run once before others start.

    Its secrets are in `env` or in files, never in `command`, which every user of the machine can read.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What it needs besides the caller's environment, from which all settings of Prefect, MLflow or AWS are gone."""
    needs: tuple[str, ...] = ()
    """The services that must be healthy, and the steps that must be done, before it starts."""
    check: Callable[[], str | None] | None = None
    """What is not yet as it should be, in words; None once it is healthy. A `StackError` ends the waiting. Without a
    check it is a step: done when it exits with 0."""
    port: int | None = None
    port_setting: str = ""
    """Name of the port's setting."""
    address: str = ""
    """Where people find it."""
    user: str | None = None
    """Whom it runs as, when that is not the caller."""
    stop_signal: int = signal.SIGTERM
    patience: float = 10
    """Seconds that it gets to stop by itself and end its children."""
    prepare: Callable[[], None] | None = None
    """Done before each start."""

    @property
    def is_step(self) -> bool:
        return self.check is None
