"""A training's numbers, kept in its checkpoints so that a resumed one has them all, and passed on as they come."""

from __future__ import annotations

import math
from argparse import Namespace
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger

from scenehue.errors import ArtifactError
from scenehue.tracking.sink import RunSink


class SinkLogger(Logger):
    """Lightning's metrics to a `RunSink`."""

    def __init__(self, sink: RunSink) -> None:
        super().__init__()
        self.sink = sink

    @property
    def name(self) -> str:
        return "scenehue"

    @property
    def version(self) -> str:
        return ""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.sink.log_metrics({key: value for key, value in metrics.items() if key != "epoch"}, step or 0)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: the stage records the parameters itself."""


class History(Callback):
    """Keeps a row of metrics for each epoch that was validated (each epoch, where nothing is)."""

    def __init__(self, sink: RunSink) -> None:
        self.logger = SinkLogger(sink)
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.val_dataloaders:
            self._add(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._add(trainer)

    def _add(self, trainer: pl.Trainer) -> None:
        metrics = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        if not all(math.isfinite(value) for value in metrics.values()):
            raise ArtifactError("the loss is not finite; lower train.learning_rate, or set train.precision to 32")
        self.rows.append({"epoch": trainer.current_epoch + 1, "step": trainer.global_step, **metrics})

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]
