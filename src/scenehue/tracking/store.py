"""Where MLflow's store is, and what may be told to it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scenehue.data.files import home_of

SQLITE = "sqlite:///"
_NAME = re.compile(r"[\w\-. :/]+")
_QUICK = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def tracking_uri(uri: str | None, root: Path) -> str | None:
    """The address to use: ``MLFLOW_TRACKING_URI``, where the environment has it, before the one of the parameters.

    A relative SQLite path starts at the repository's root. A queued DVC experiment runs in a copy of the repository
    under ``.dvc/tmp/exps`` that DVC deletes; there it starts at the root of the repository that the experiment is of.

    Args:
        uri: Of the parameters.
        root: The repository, or an experiment's copy of it.

    Returns:
        The address, SQLite paths made absolute; None where neither names one, so that nothing is tracked.

    Example:
        >>> tracking_uri("sqlite:///mlflow.db", Path("/photos/.dvc/tmp/exps/standalone/tmpx1"))
        'sqlite:////photos/mlflow.db'
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or uri
    if not uri or not uri.startswith(SQLITE):
        return uri
    return SQLITE + str(home_of(root) / uri.removeprefix(SQLITE))


def artifact_location(uri: str) -> str | None:
    """Where a new experiment's files go: beside an SQLite store, else wherever the server decides."""
    return (Path(uri.removeprefix(SQLITE)).parent / "mlartifacts").as_uri() if uri.startswith(SQLITE) else None


def without_secrets(text: str) -> str:
    """A text with the user names, passwords and queries of all addresses in it left out.

    Example:
        >>> without_secrets("https://me:secret@example.org/weights.onnx?token=1 is gone")
        'https://example.org/weights.onnx is gone'
    """
    return re.sub(r"(\w://[^\s?#]*)[?#]\S*", r"\1", re.sub(r"(\w://)[^/\s]*@", r"\1", text))


def flatten(tree: Mapping[str, Any], prefix: str = "", lists: bool = True) -> dict[str, Any]:
    """Nested mappings, and lists if wanted, as one mapping of dotted names.

    A mapping with a key that MLflow would refuse in a name, such as a pattern of paths, stays whole.

    Example:
        >>> flatten({"train": {"epochs": 3, "stages": [{"size": 64}], "emphasis": {"*!birds/*": 8}}})
        {'train.epochs': 3, 'train.stages.0.size': 64, 'train.emphasis': {'*!birds/*': 8}}
    """
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if lists and isinstance(value, list | tuple):
            value = {str(index): item for index, item in enumerate(value)}
        if isinstance(value, Mapping) and all(_NAME.fullmatch(str(inner)) for inner in value):
            flat |= flatten(value, f"{prefix}{key}.", lists)
        else:
            flat[f"{prefix}{key}"] = value
    return flat


@contextmanager
def quick_failures() -> Iterator[None]:
    """Lets requests to a server fail within seconds; MLflow's own patience is minutes. What the user has set stays.

    The announcements of every single retry are left out, too.
    """
    retries = logging.getLogger("urllib3.connectionpool")
    level = retries.level
    ours = {name: value for name, value in _QUICK.items() if name not in os.environ}
    os.environ.update(ours)
    retries.setLevel(logging.ERROR)
    try:
        yield
    finally:
        retries.setLevel(level)
        for name in ours:
            os.environ.pop(name, None)
