"""MLflow as a sink: a thread of its own sends everything, and the first failure switches it off with one sentence."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from scenehue.tracking.sink import DatasetRecord, Status
from scenehue.tracking.store import artifact_location, flatten, without_secrets

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_RUN_NAME

_log = logging.getLogger("scenehue.tracking")
_MAX_BATCH = 100
_MAX_VALUE = 6000


class MlflowSink:
    """A `RunSink` that writes to an MLflow store; see there for the methods.

    Args:
        uri: Absolute address of the store.
        experiment: Name; it is created where it is missing.
        run_name: For people.
        tags: Of the run.
        continues: Tags by which an earlier run is found that this one goes on with; None always opens a new one.
        unfinished: Go on only with a run that has not come to its end.
        system_metrics: Also record the load of processor, memory, disk and accelerator.
        patience: Seconds that `close` waits for what is still to be sent. A new SQLite store alone takes MLflow several
            seconds of computing.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        run_name: str,
        tags: Mapping[str, str],
        continues: Mapping[str, str] | None = None,
        unfinished: bool = True,
        system_metrics: bool = False,
        patience: float = 30,
    ) -> None:
        for chatty in ("mlflow.store.db.utils", "mlflow.system_metrics", "alembic"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        self.uri = uri
        self.off = False
        self._patience = patience
        self._client: MlflowClient | None = None
        self._run: Run | None = None
        self._known_params: set[str] = set()
        self._ended_before = False
        self._monitor: SystemMetricsMonitor | None = None
        self._copies = tempfile.TemporaryDirectory(prefix="scenehue-tracking-")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mlflow")
        self._opened = self._send(
            lambda: self._open(experiment, {**tags, MLFLOW_RUN_NAME: run_name}, continues, unfinished, system_metrics)
        )

    @property
    def run_id(self) -> str | None:
        self._opened.result()
        return self._run.info.run_id if self._run else None

    def log_params(self, params: Mapping[str, Any]) -> None:
        public = {name: without_secrets(str(value))[:_MAX_VALUE] for name, value in flatten(params).items()}
        self._send(lambda: self._write_params(public))

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        now = int(time.time() * 1000)
        entries = [Metric(name, float(value), now, step) for name, value in metrics.items()]
        self._send(lambda: self._write(metrics=entries))

    def log_artifacts(self, *paths: Path, folder: str = "") -> None:
        if self.off:
            return
        try:
            copies = Path(tempfile.mkdtemp(dir=self._copies.name))
            for path in paths:
                copy = shutil.copytree if path.is_dir() else shutil.copyfile
                copy(path, copies / path.name)
        except OSError as error:
            _log.warning("this file is missing from the run's artifacts: %s", error)
        self._send(lambda: self._write_artifacts(copies, folder))

    def log_dataset(self, dataset: DatasetRecord, context: str) -> None:
        source, profile = json.dumps({"uri": without_secrets(dataset.source)}), json.dumps(dict(dataset.profile))
        entity = Dataset(dataset.name, dataset.digest, "local", source, profile=profile)
        given = DatasetInput(entity, [InputTag(MLFLOW_DATASET_CONTEXT, context)])
        self._send(lambda: self._live[0].log_inputs(self._live[1], [given]))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        entries = [RunTag(name, value) for name, value in tags.items()]
        self._send(lambda: self._write(tags=entries))

    def close(self, status: Status = "FINISHED") -> None:
        """Ends the run, after waiting for what is still to be sent."""
        try:
            self._send(lambda: self._end(status)).result(timeout=self._patience)
        except TimeoutError:
            self._turn_off(TimeoutError(f"not all was sent within {self._patience:g} seconds"))
        self.off = True
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._copies.cleanup()

    # What follows runs in the thread, in the order it was sent.

    @property
    def _live(self) -> tuple[MlflowClient, str]:
        assert self._client is not None
        assert self._run is not None
        return self._client, self._run.info.run_id

    def _send(self, work: Callable[[], None]) -> Future[None]:
        def guarded() -> None:
            if not self.off:
                try:
                    work()
                except Exception as error:  # noqa: BLE001 - whatever happens here, the run must go on
                    self._turn_off(error)

        if self.off:
            nothing: Future[None] = Future()
            nothing.set_result(None)
            return nothing
        return self._thread.submit(guarded)

    def _turn_off(self, error: Exception) -> None:
        if not self.off:
            self.off = True
            reason = without_secrets(str(error).split("\n", 1)[0])[:300] or type(error).__name__
            _log.warning(
                "MLflow at %s failed, so this run goes on without it; what it finds is in the files under artifacts/. "
                "Reason: %s",
                without_secrets(self.uri),
                reason,
            )

    def _open(
        self,
        experiment: str,
        tags: dict[str, str],
        continues: Mapping[str, str] | None,
        unfinished: bool,
        system_metrics: bool,
    ) -> None:
        client = MlflowClient(self.uri)
        experiment_id = experiment_by_name(client, self.uri, experiment)
        earlier = find_run(client, experiment_id, continues, unfinished) if continues else None
        run = earlier or client.create_run(experiment_id, tags=tags)
        self._known_params = set(run.data.params)
        self._ended_before = run.info.status == "FINISHED"
        self._client, self._run = client, run
        if earlier and not self._ended_before:
            client.update_run(run.info.run_id, status="RUNNING")
        if system_metrics:
            self._monitor = SystemMetricsMonitor(run.info.run_id, resume_logging=bool(earlier), tracking_uri=self.uri)
            self._monitor.start()

    def _write(self, metrics: list[Metric] | None = None, tags: list[RunTag] | None = None) -> None:
        client, run_id = self._live
        client.log_batch(run_id, metrics or [], [], tags or [])

    def _write_params(self, params: dict[str, str]) -> None:
        """Writes those not yet known: MLflow refuses to change a parameter, and a resumed run may well have changed."""
        client, run_id = self._live
        new = [Param(name, value) for name, value in params.items() if name not in self._known_params]
        self._known_params |= params.keys()
        for start in range(0, len(new), _MAX_BATCH):
            client.log_batch(run_id, [], new[start : start + _MAX_BATCH], [])

    def _write_artifacts(self, copies: Path, folder: str) -> None:
        client, run_id = self._live
        client.log_artifacts(run_id, str(copies), folder or None)
        shutil.rmtree(copies, ignore_errors=True)

    def _end(self, status: Status) -> None:
        client, run_id = self._live
        if self._monitor is not None:
            self._monitor.finish()
        if not self._ended_before:
            client.set_terminated(run_id, status)


def experiment_by_name(client: MlflowClient, uri: str, name: str) -> str:
    """The id of an experiment, created where it is missing, also when others are just creating it."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location(uri)))
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def find_run(client: MlflowClient, experiment_id: str, tags: Mapping[str, str], unfinished: bool = False) -> Run | None:
    """The latest run that has all the tags (and has not finished, if that is wanted), or None."""
    conditions = [f"tags.`{name}` = '{value}'" for name, value in tags.items()]
    conditions += ["attributes.status != 'FINISHED'"] if unfinished else []
    order = ["attributes.start_time DESC"]
    runs = client.search_runs([experiment_id], " and ".join(conditions), order_by=order, max_results=1)
    return runs[0] if runs else None
