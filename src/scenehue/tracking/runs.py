"""Opens the run of a stage, with what every run carries: the code, the parameters and the data they were made with."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from scenehue.errors import ArtifactError
from scenehue.params import Params, TrackingParams
from scenehue.tracking.code import code_state
from scenehue.tracking.sink import DatasetRecord, NullSink, RunSink
from scenehue.tracking.store import SQLITE, quick_failures, tracking_uri

STAGE_TAG = "scenehue.stage"
INPUTS_TAG = "scenehue.inputs"
CHECKPOINT_TAG = "scenehue.checkpoint"
RECIPE = ("params.yaml", "dvc.yaml", "dvc.lock")
"""The files, beside the commit, from which a run can be repeated."""


@contextmanager
def start_run(
    tracking: TrackingParams,
    root: Path = Path("."),
    stage: str = "train",
    *,
    name: str | None = None,
    inputs: str | None = None,
    checkpoint: str | None = None,
    tags: Mapping[str, str] | None = None,
    system_metrics: bool = False,
    patience: float | None = None,
) -> Iterator[RunSink]:
    """Records what happens inside the ``with`` block, if there is a store that takes it.

    Nothing here raises on its own account or makes the caller wait for a network; see `MlflowSink`. An exception that
    leaves the block ends the run as failed.

    Args:
        tracking: Where to.
        root: The repository; its commit and recipe are recorded.
        stage: What runs.
        name: Of the run; without one, the DVC experiment's, or the stage and the commit.
        inputs: Hash of all that the stage depends on; an unfinished run with the same one is continued.
        checkpoint: `checkpoint_digest` of a trained model; its run is continued, finished or not.
        tags: More of the run, there from its first moment.
        system_metrics: Also record the load of the machine.
        patience: Seconds that the end waits for what is still to be sent; half a minute for a server, and longer for a
            local file, without it.

    Yields:
        The sink; one that records nothing where tracking is switched off, and in all processes of a distributed
        training but the first.
    """
    uri = tracking_uri(tracking.uri, root)
    if uri is None or int(os.environ.get("RANK", "0")) > 0:
        yield NullSink()
        return
    from scenehue.tracking.mlflow_sink import MlflowSink

    marks = {INPUTS_TAG: inputs, CHECKPOINT_TAG: checkpoint}
    known = {tag: value for tag, value in marks.items() if value is not None}
    with quick_failures():
        sink = MlflowSink(
            uri,
            tracking.experiment,
            name or _run_name(stage, root),
            {STAGE_TAG: stage, **code_tags(root), **known, **(tags or {})},
            continues=known or None,
            unfinished=checkpoint is None,
            system_metrics=system_metrics,
            patience=patience or (300 if uri.startswith(SQLITE) else 30),
        )
        sink.log_artifacts(*(root / file for file in RECIPE if (root / file).is_file()))
        try:
            yield sink
        except BaseException as error:
            sink.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
        sink.close()


def code_tags(root: Path) -> dict[str, str]:
    """Tags that say which commit the code is of, and whether it was changed since."""
    state = code_state(root)
    if state is None:
        return {"scenehue.git_dirty": "unknown"}
    tags = {"mlflow.source.git.commit": state.commit, "scenehue.git_dirty": str(bool(state.changed)).lower()}
    return tags | ({"scenehue.git_changed": "\n".join(state.changed)[:5000]} if state.changed else {})


def _run_name(stage: str, root: Path) -> str:
    state = code_state(root)
    return os.environ.get("DVC_EXP_NAME") or (f"{stage}-{state.commit[:7]}" if state else stage)


def params_record(params: Params) -> dict[str, object]:
    """All sections but the address of the store itself, for `RunSink.log_params`."""
    return params.model_dump(mode="json", exclude={"tracking"})


def dataset_record(folder: Path) -> DatasetRecord:
    """Describes ``artifacts/dataset`` for `RunSink.log_dataset`.

    Args:
        folder: Holds ``manifest.parquet``.

    Returns:
        A record whose digest follows from the ids and splits of all photographs, with their number in each split.

    Raises:
        ArtifactError: The manifest is missing or unreadable.
    """
    import pyarrow as pa
    import pyarrow.parquet

    path = folder / "manifest.parquet"
    try:
        table = pa.parquet.read_table(path, columns=["id", "split"])
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); run the stage dataset") from error
    rows = sorted(zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True))
    splits = [split for _, split in rows]
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:32]
    counts = {split: splits.count(split) for split in ("train", "val", "test")}
    return DatasetRecord("photographs", digest, folder.as_posix(), {"photos": len(rows), **counts})


def checkpoint_digest(folder: Path) -> str:
    """What a trained model is known by: the sha256 of its weights.

    Args:
        folder: Holds ``model.safetensors``.

    Returns:
        64 hex digits, for the tag `CHECKPOINT_TAG`.

    Raises:
        ArtifactError: There are no weights.
    """
    path = folder / "model.safetensors"
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read ({error.strerror}); run the stage train") from error
