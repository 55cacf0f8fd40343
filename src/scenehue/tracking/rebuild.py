"""Makes the run of a training that no store has seen, from the files the training left."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from scenehue.errors import ArtifactError, ScenehueError, UnreachableError
from scenehue.params import TrackingParams, load_params
from scenehue.tracking.mlflow_sink import experiment_by_name, find_run
from scenehue.tracking.runs import CHECKPOINT_TAG, checkpoint_digest, dataset_record, params_record, start_run
from scenehue.tracking.store import flatten, tracking_uri, without_secrets

STEPS = ("step", "epoch")
"""Columns of a table of curves that count; the first there is becomes MLflow's step."""


REBUILT_TAG = "scenehue.rebuilt"
"""Of a run that was made from files."""
_PATIENCE = 600


class TrackingError(ScenehueError):
    """There is no tracking store."""


def rebuild_run(tracking: TrackingParams, root: Path = Path(".")) -> str:
    """Finds the run that trained the model in ``artifacts/train``, or makes it from the files.

    A training may have been restored from DVC's cache, or its store may have been down. Unlike a sink, this insists: it
    raises where it cannot succeed. Called twice it finds the run that the first call made, or completes it.

    Args:
        tracking: The store.
        root: The repository, with the ``params.yaml`` the model was trained by.

    Returns:
        The run's id.

    Raises:
        TrackingError: Tracking is switched off.
        UnreachableError: The store fails.
        ArtifactError: There is no trained model, or its ``metrics.json`` is damaged.
    """
    folder = root / "artifacts" / "train"
    digest = checkpoint_digest(folder)
    uri = tracking_uri(tracking.uri, root)
    if uri is None:
        raise TrackingError("tracking.uri is null, so there is no store to look for the run in; set it in params.yaml")
    try:
        client = MlflowClient(uri)
        experiment = experiment_by_name(client, uri, tracking.experiment)
        found = find_run(client, experiment, {CHECKPOINT_TAG: digest})
        if found is None or _is_cut_short(found):
            found = client.get_run(_rebuild(tracking, root, digest))
    except MlflowException as error:
        raise UnreachableError(without_secrets(f"MLflow at {uri} cannot be used: {error}")) from error
    if _is_cut_short(found):
        raise UnreachableError(f"MLflow at {without_secrets(uri)} failed in the middle; see the warning above")
    return str(found.info.run_id)


def _is_cut_short(run: Run) -> bool:
    return REBUILT_TAG in run.data.tags and run.info.status != "FINISHED"


def _rebuild(tracking: TrackingParams, root: Path, digest: str) -> str:
    folder = root / "artifacts" / "train"
    with start_run(tracking, root, "train", checkpoint=digest, tags={REBUILT_TAG: "true"}, patience=_PATIENCE) as sink:
        sink.log_params(params_record(load_params(root / "params.yaml")))
        for table in sorted(folder.glob("**/*.csv")):
            for step, metrics in _rows(table):
                sink.log_metrics(metrics, step)
        sink.log_metrics(_numbers(folder / "metrics.json"))
        if (root / "artifacts" / "dataset" / "manifest.parquet").is_file():
            sink.log_dataset(dataset_record(root / "artifacts" / "dataset"), "training")
        sink.log_artifacts(
            *(path for path in sorted(folder.iterdir()) if path.suffix != ".safetensors"), folder="train"
        )
        if (run_id := sink.run_id) is None:
            raise UnreachableError("MLflow takes no runs; see the warning above")
    return run_id


def _rows(table: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """The rows of a CSV of curves: step, and the metrics that have a value there."""
    with table.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file)):
            step = next((row[name] for name in STEPS if row.get(name)), number)
            yield (
                int(float(step)),
                {_logged(name): float(value) for name, value in row.items() if value and name not in STEPS},
            )


def _logged(column: str) -> str:
    """A column's name as the training itself logs it: ``val_loss`` as ``val/loss``."""
    group, _, name = column.partition("_")
    return f"{group}/{name}" if group in {"train", "val"} and name else column


def _numbers(path: Path) -> dict[str, float]:
    """All numbers in a JSON file of metrics, under dotted names."""
    try:
        flat = flatten(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); run the stage train") from error
    return {name: float(value) for name, value in flat.items() if isinstance(value, int | float)}
