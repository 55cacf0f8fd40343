"""One training, from photos to the best weights: loaders, Lightning's trainer, checkpoints, history."""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, LearningRateMonitor, ModelCheckpoint, RichProgressBar
from torch.utils.data import DataLoader, DistributedSampler

from scenehue.data.loading import Batch, ColorDataset, start_worker
from scenehue.data.parallel import default_workers
from scenehue.errors import ScenehueError
from scenehue.models.network import ColorNet
from scenehue.params import MachineParams, TrainParams
from scenehue.tracking.sink import RunSink
from scenehue.training.averaging import WarmAverage
from scenehue.training.depthwise import keep_depthwise_in_float32
from scenehue.training.history import History
from scenehue.training.module import ColorModule, use_channels_last

BEST, LAST = "best", "last"
PRECISIONS: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "16": "16-mixed",
}


@dataclass(frozen=True)
class Fitted:
    """What a training gives.

    Args:
        net: The network with the weights that validated best, or the last ones where there is nothing to validate on.
        history: A row for each validation: epoch, step and metrics.
        best: The best row.
    """

    net: ColorNet
    history: list[dict[str, float]]
    best: dict[str, float]


class _Epochs(Callback):
    """Tells the data set which epoch it is, for its augmentation."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.train_dataloader.dataset.set_epoch(trainer.current_epoch)  # type: ignore[union-attr]


def loader(dataset: ColorDataset, params: TrainParams, machine: MachineParams, training: bool) -> DataLoader[Batch]:
    """Batches of a data set; in training complete ones, in an order that follows from the seed and the epoch alone."""
    workers = default_workers(machine.workers)
    shuffled: DistributedSampler[Batch] | None = (
        DistributedSampler(dataset, num_replicas=1, rank=0, seed=params.seed) if training else None
    )
    return DataLoader(
        dataset,
        batch_size=min(params.batch_size, len(dataset)),
        sampler=shuffled,
        drop_last=training,
        num_workers=workers,
        persistent_workers=training and workers > 0,
        worker_init_fn=start_worker,
        pin_memory=torch.cuda.is_available(),
    )


def fit(
    module: ColorModule,
    train: ColorDataset,
    val: ColorDataset,
    machine: MachineParams,
    resume: Path,
    sink: RunSink,
) -> Fitted:
    """Trains, going on from the last checkpoint in `resume` if there is one.

    Args:
        module: The network with its losses; trained in place.
        train: Training photos; not empty.
        val: Validation photos; may be empty, then the last weights are kept.
        machine: Where to compute.
        resume: Folder for checkpoints of exactly this training.
        sink: Where metrics are recorded while it runs.

    Raises:
        ArtifactError: The loss is not finite.
        ScenehueError: It was started as one of several processes.
        KeyboardInterrupt: The user stopped it; it goes on from the last checkpoint when started again.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ScenehueError("training runs in one process; start `scenehue train` itself, without torchrun")
    params = module.params
    monitor = ("val/psnr_reg" if params.losses.reg else "val/psnr_mean") if len(val) else None
    history = History(sink, resume)
    checkpoints = [
        ModelCheckpoint(
            resume,
            filename=name,
            monitor=by,
            mode="max",
            every_n_epochs=params.validate_every,
            enable_version_counter=False,
            save_on_train_epoch_end=monitor is None,
        )
        # The best one first: the last checkpoint also holds what the best one has seen, and must not be a step behind.
        for name, by in {**({BEST: monitor} if monitor else {}), LAST: None}.items()
    ]
    callbacks: list[Callback] = [_Epochs(), history, *checkpoints, LearningRateMonitor("step"), RichProgressBar()]
    if params.ema_decay:
        callbacks.append(WarmAverage(params.ema_decay))
    if monitor and params.patience:
        callbacks.append(EarlyStopping(monitor, mode="max", patience=params.patience))
    accelerator, devices = _hardware(machine.device)
    use_channels_last(module.net)
    if accelerator == "cpu" and params.precision == "bf16":
        keep_depthwise_in_float32(module.net)
    batches = loader(train, params, machine, training=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*(many workers|Checkpoint directory|treespec|is_leaf).*")
        logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=devices,
            precision=PRECISIONS[params.precision],
            max_epochs=params.epochs,
            accumulate_grad_batches=params.accumulate,
            gradient_clip_val=params.gradient_clip or None,
            check_val_every_n_epoch=params.validate_every,
            num_sanity_val_steps=0,
            log_every_n_steps=max(1, min(50, len(batches))),
            logger=history.logger,
            callbacks=callbacks,
        )
        last = resume / f"{LAST}.ckpt"
        try:
            trainer.fit(
                module,
                batches,
                loader(val, params, machine, training=False) if len(val) else None,
                ckpt_path=str(last) if last.exists() else None,
                weights_only=True,
            )
        except SystemExit:  # Lightning's way of passing on Ctrl-C
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise
    kept = resume / f"{BEST if monitor else LAST}.ckpt"
    state = torch.load(kept, map_location="cpu", weights_only=True)["state_dict"]
    module.load_state_dict(state)
    rows = history.rows
    chosen = max(rows, key=lambda row: row[monitor]) if monitor else rows[-1]
    return Fitted(module.net, rows, chosen)


def _hardware(device: str) -> tuple[str, Any]:
    kind, _, index = device.partition(":")
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    return kind, [int(index)] if index else 1
