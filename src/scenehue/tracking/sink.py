"""What stages may tell about a run, and the sink for those who do not want to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class DatasetRecord:
    """The photographs that a run has seen.

    Args:
        name: For people.
        digest: For comparisons: equal for equal content; at most 36 characters.
        source: Where it lies, without secrets.
        profile: Numbers that describe it, as JSON data.
    """

    name: str
    digest: str
    source: str
    profile: Mapping[str, Any] = field(default_factory=dict)


class RunSink(Protocol):
    """A place that a run is recorded in; no method raises, waits for a network, or keeps what it is given."""

    @property
    def run_id(self) -> str | None:
        """The run's name in the tracking store; None if there is none. Waits until the run has been opened."""
        ...

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Records settings; mappings and lists inside are flattened to dotted names."""
        ...

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Records numbers at a step."""
        ...

    def log_artifacts(self, *paths: Path, folder: str = "") -> None:
        """Records files and folders as they are now; the caller may change or delete them afterwards."""
        ...

    def log_dataset(self, dataset: DatasetRecord, context: str) -> None:
        """Records which photographs were used, and what for, such as ``training``."""
        ...

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Marks the run, replacing tags of the same name."""
        ...

    def close(self, status: Status = "FINISHED") -> None:
        """Ends the run; nothing can be recorded afterwards."""
        ...


class NullSink:
    """Records nothing."""

    run_id: str | None = None

    def log_params(self, params: Mapping[str, Any]) -> None: ...

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None: ...

    def log_artifacts(self, *paths: Path, folder: str = "") -> None: ...

    def log_dataset(self, dataset: DatasetRecord, context: str) -> None: ...

    def set_tags(self, tags: Mapping[str, str]) -> None: ...

    def close(self, status: Status = "FINISHED") -> None: ...
