"""One training, from photos to the best weights: loaders, Lightning's trainer, checkpoints, history."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, LearningRateMonitor, ModelCheckpoint, RichProgressBar
from pytorch_lightning.strategies import DDPStrategy

from scenehue.data.loading import ColorDataset
from scenehue.errors import ParamsError, ScenehueError
from scenehue.models.device import choose_device, use_channels_last
from scenehue.models.network import ColorNet
from scenehue.params import MachineParams, TrainParams
from scenehue.tracking.sink import RunSink
from scenehue.training.averaging import WarmAverage
from scenehue.training.batches import loader
from scenehue.training.depthwise import keep_depthwise_in_float32
from scenehue.training.history import History
from scenehue.training.module import ColorModule
from scenehue.training.processes import AGAIN, Ended, Place, Together, batches_of_each, lost_another, own_place

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


def fit(
    module: ColorModule,
    train: ColorDataset,
    val: ColorDataset,
    machine: MachineParams,
    resume: Path,
    sink: RunSink,
) -> Fitted | None:
    """Trains, going on from the last checkpoint in `resume` if there is one.

    Several processes that torchrun started share the batches of each step; see `scenehue.training.batches`.

    Args:
        module: The network with its losses; trained in place.
        train: Training photos; not empty.
        val: Validation photos; may be empty, then the last weights are kept.
        machine: Where to compute.
        resume: Folder for checkpoints of exactly this training.
        sink: Where metrics are recorded while it runs.

    Returns:
        The result; None in all processes but the first.

    Raises:
        ArtifactError: The loss is not finite.
        ParamsError: The batches of a step cannot be shared among the processes, or these not among the devices.
        ScenehueError: It was told to end, or another of its processes has ended.
        KeyboardInterrupt: The user stopped it; it goes on from the last checkpoint when started again.
    """
    params, place = module.params, own_place()
    accumulate = batches_of_each(params.accumulate, place)
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
    batches = loader(train, params, machine, training=True, place=place)
    callbacks: list[Callback] = [_Epochs(), Together(place, len(batches)), history, *checkpoints]
    callbacks += [LearningRateMonitor("step"), RichProgressBar()]
    if params.ema_decay:
        callbacks.append(WarmAverage(params.ema_decay))
    if monitor and params.patience:
        callbacks.append(EarlyStopping(monitor, mode="max", patience=params.patience))
    accelerator, devices = _hardware(machine.device, place)
    use_channels_last(module.net)
    if accelerator == "cpu" and params.precision == "bf16":
        keep_depthwise_in_float32(module.net)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*(many workers|Checkpoint directory|treespec|is_leaf).*")
        for chatty in ("pytorch_lightning", "lightning_fabric"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=devices,
            num_nodes=place.processes // place.on_this_machine,
            strategy=_strategy(params) if place.processes > 1 else "auto",
            use_distributed_sampler=False,
            precision=PRECISIONS[params.precision],
            max_epochs=params.epochs,
            accumulate_grad_batches=accumulate,
            gradient_clip_val=params.gradient_clip or None,
            check_val_every_n_epoch=params.validate_every,
            num_sanity_val_steps=0,
            log_every_n_steps=min(50, module.steps_per_epoch),
            logger=history.logger,
            callbacks=callbacks,
        )
        last = resume / f"{LAST}.ckpt"
        try:
            trainer.fit(
                module,
                batches,
                loader(val, params, machine, training=False, place=place) if len(val) else None,
                ckpt_path=str(last) if last.exists() else None,
                weights_only=True,
            )
        except SystemExit:  # Lightning's way of passing on Ctrl-C
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise
        except Ended as error:
            raise ScenehueError(f"the training was told to end (SIGTERM); {AGAIN}") from error
        except RuntimeError as error:
            if place.processes > 1 and lost_another(error):
                raise ScenehueError(
                    f"another process of this training has ended, so this one ends, too; {AGAIN}"
                ) from error
            raise
    if place.rank:
        return None
    kept = resume / f"{BEST if monitor else LAST}.ckpt"
    state = torch.load(kept, map_location="cpu", weights_only=True)["state_dict"]
    module.load_state_dict(state)
    rows = history.rows
    chosen = max(rows, key=lambda row: row[monitor]) if monitor else rows[-1]
    return Fitted(module.net, rows, chosen)


def _hardware(device: str, place: Place) -> tuple[str, Any]:
    """Lightning's words for a device; several processes take one each, in order."""
    chosen = choose_device(device)
    if place.processes > 1 and (chosen.index is not None or chosen.type == "mps"):
        raise ParamsError(f"machine.device: {place.processes} processes need a device each; set it to cuda or cpu")
    return chosen.type, place.on_this_machine if chosen.index is None else [chosen.index]


def _strategy(params: TrainParams) -> DDPStrategy:
    losses = params.losses
    all_learn = all((losses.reg, losses.soft, losses.scene, losses.segmentation))
    # `Together` looks after the buffers.
    return DDPStrategy(find_unused_parameters=not all_learn, forward_sync_buffers=False, gradient_as_bucket_view=True)
