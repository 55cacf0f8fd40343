"""A training's numbers, kept in its checkpoints so that a resumed one has them all, and passed on as they come."""

from __future__ import annotations

import csv
import math
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from PIL import Image
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from torch import Tensor

from scenehue.data.files import replacing_file
from scenehue.errors import ArtifactError
from scenehue.tracking.sink import RunSink
from scenehue.training.pictures import UInt8

CURVES = "curves.csv"


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
    """Keeps a row of metrics for each epoch that was validated (each epoch, where nothing is).

    Training losses are means over the batches since the row before.

    Args:
        sink: Where everything is recorded.
        folder: Where a table of the rows so far is kept for whoever watches, if anywhere.
    """

    def __init__(self, sink: RunSink, folder: Path | None = None) -> None:
        self.logger = SinkLogger(sink)
        self.folder = folder
        self.rows: list[dict[str, float]] = []
        self._sums: dict[str, Tensor] = {}
        self._batches = 0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self._batches += 1
        for name, value in trainer.callback_metrics.items():
            if name.startswith("train/"):
                self._sums[name] = self._sums.get(name, 0) + value

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.enable_validation:
            self._add(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._add(trainer)
        if pl_module.sheet is not None and trainer.is_global_zero:
            self._log_sheet(trainer.current_epoch + 1, pl_module.sheet)

    def _add(self, trainer: pl.Trainer) -> None:
        # All processes have seen equally many batches.
        means = {
            name: trainer.strategy.reduce(total / self._batches, reduce_op="mean") for name, total in self._sums.items()
        }
        self._sums, self._batches = {}, 0
        metrics = {name: float(value) for name, value in sorted((trainer.callback_metrics | means).items())}
        if not all(math.isfinite(value) for value in metrics.values()):
            raise ArtifactError("the loss is not finite; lower train.learning_rate, or set train.precision to 32")
        self.rows.append({"epoch": trainer.current_epoch + 1, "step": trainer.global_step, **metrics})
        if self.folder is not None and trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_curves(self.folder / CURVES, self.rows)

    def _log_sheet(self, epoch: int, sheet: UInt8) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{epoch:04}.jpg"
            Image.fromarray(sheet).save(path, quality=90)
            self.logger.sink.log_artifacts(path, folder="validation")

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


def write_curves(path: Path, rows: Sequence[dict[str, float]]) -> None:
    """Writes rows as CSV, ``val/loss`` in the column ``val_loss``; columns that a row lacks stay empty there."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with replacing_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([name.replace("/", "_") for name in names])
        writer.writerows([row.get(name, "") for name in names] for row in rows)
