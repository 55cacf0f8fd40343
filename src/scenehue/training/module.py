"""The training step, the validation step and the optimiser, for Lightning."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from scenehue.color.decoding import decode
from scenehue.color.encoding import soft_encode
from scenehue.data.coco_classes import UNLABELLED
from scenehue.data.loading import Batch
from scenehue.data.segmentation import NUM_CLASSES
from scenehue.evaluation.metrics import psnr
from scenehue.models.encoders import TimmEncoder
from scenehue.models.network import ColorNet, Outputs
from scenehue.params import ColorPriorParams, TrainParams
from scenehue.training.distillation import Teachers
from scenehue.training.losses import reg_log_loss, reg_loss, scene_loss, segmentation_loss, soft_loss
from scenehue.training.pictures import UInt8, pictures, sheet
from scenehue.training.schedule import rate_factor

GREY_CHROMA = 5.0
"""A crop without any ``|a|`` or ``|b|`` above this is left out of the soft loss (Zhang et al. 2016)."""


class ColorModule(pl.LightningModule):
    """Trains a `ColorNet`.

    Args:
        net: The network.
        params: The stage's parameters.
        encoding: How colours are encoded.
        bins: (Q, 2) centres of the quantised colours.
        bin_weights: (Q,) their weights in the soft loss.
        steps_per_epoch: Optimiser steps of one epoch.
        teachers: Networks whose predictions are learnt, too.
    """

    bins: Tensor
    bin_weights: Tensor
    sheet: UInt8 | None = None
    """After a validation: its first photos, a row each: truth, grey, Reg, mean of Soft."""

    def __init__(
        self,
        net: ColorNet,
        params: TrainParams,
        encoding: ColorPriorParams,
        bins: npt.NDArray[np.float32],
        bin_weights: npt.NDArray[np.float64],
        steps_per_epoch: int,
        teachers: Teachers | None = None,
    ) -> None:
        super().__init__()
        self.net, self.params, self.encoding, self.steps_per_epoch = net, params, encoding, steps_per_epoch
        self.teachers = teachers
        self.register_buffer("bins", torch.from_numpy(bins.copy()), persistent=False)
        self.register_buffer("bin_weights", torch.from_numpy(bin_weights).float(), persistent=False)
        self.map_metrics: MetricCollection | None = None
        if net.segmentation_head is not None:
            self.map_metrics = MetricCollection(
                {
                    "miou": MulticlassJaccardIndex(NUM_CLASSES, ignore_index=UNLABELLED),
                    "pixel_accuracy": MulticlassAccuracy(NUM_CLASSES, average="micro", ignore_index=UNLABELLED),
                },
                prefix="val/",
            )
        if isinstance(net.encoder, TimmEncoder) and params.encoder_rate == 0:
            net.encoder.requires_grad_(False)

    def losses(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Each loss that has a weight, unweighted, and their weighted sum as ``loss``.

        ``taught`` is the regression loss against what teachers say, while training.
        """
        weights = self.params.losses
        losses: dict[str, Tensor] = {}
        if weights.reg:
            error = reg_log_loss if weights.reg_form == "log" else reg_loss
            losses["reg"] = error(outputs.ab, _pooled(batch.ab, outputs.ab))
            if self.teachers is not None and self.training:
                losses["taught"] = error(outputs.ab, self.teachers.ab(batch.lightness, outputs.ab))
        if weights.soft:
            target = _pooled(batch.ab, outputs.soft_logits)
            index, weight = soft_encode(target, self.encoding.neighbours, self.encoding.sigma)
            colorful = (batch.ab.abs().amax(dim=(1, 2, 3)) > GREY_CHROMA).float()
            losses["soft"] = soft_loss(outputs.soft_logits, index, weight, self.bin_weights, colorful)
        if weights.scene and outputs.scene_logits is not None:
            losses["scene"] = scene_loss(outputs.scene_logits, batch.scene_classes, batch.scene_probabilities)
        if weights.segmentation and outputs.class_logits is not None:
            classes = _sampled(batch.classes, outputs.class_logits)
            losses["segmentation"] = segmentation_loss(outputs.class_logits, classes, weights.dice_share)
        share = self.params.distill.share if "taught" in losses else 0.0
        factors = weights.model_dump() | {"reg": weights.reg * (1 - share), "taught": weights.reg * share}
        losses["loss"] = torch.stack([factors[name] * value for name, value in losses.items()]).sum()
        return losses

    def training_step(self, batch: Batch, _: int) -> Tensor:
        losses = self.losses(self.net(batch.lightness), batch)
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()}, prog_bar=True)
        return losses["loss"]

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        outputs = self.net(batch.lightness)
        options: dict[str, Any] = {"on_epoch": True, "sync_dist": True, "batch_size": len(batch.lightness)}
        for name, value in self.losses(outputs, batch).items():
            self.log(f"val/{name}", value, **options)
        columns = {"truth": pictures(batch.true_lightness, batch.ab)}
        predicted = {"grey": torch.zeros_like(batch.ab)}
        if self.params.losses.reg:
            predicted["reg"] = outputs.ab
        if self.params.losses.soft:
            predicted["mean"] = decode(outputs.soft_logits, self.bins, "mean")
        for name, ab in predicted.items():
            columns[name] = pictures(batch.true_lightness, ab)
            quality = [psnr(*pair) for pair in zip(columns["truth"], columns[name], strict=True)]
            self.log(f"val/psnr_{name}", float(np.mean(quality)), prog_bar=name == "reg", **options)
        if batch_index == 0:
            self.sheet = sheet(list(columns.values()))
        if self.params.losses.scene and outputs.scene_logits is not None:
            hit = (outputs.scene_logits.topk(5).indices == batch.scene_classes[:, :1]).any(1).float().mean()
            self.log("val/scene_top5", hit, **options)
        if self.map_metrics is not None and outputs.class_logits is not None:
            self.map_metrics.update(outputs.class_logits.argmax(1), _sampled(batch.classes, outputs.class_logits))

    def on_validation_epoch_end(self) -> None:
        if self.map_metrics is not None:
            scores = self.map_metrics.compute()
            self.map_metrics.reset()
            if scores["val/miou"].isfinite():  # it is not where no pixel is labelled
                self.log_dict(scores)

    def configure_optimizers(self) -> Any:
        params = self.params
        encoder_rate = params.learning_rate * (1 if params.model.encoder == "unet" else params.encoder_rate)
        groups = []
        for rate, in_encoder in ((encoder_rate, True), (params.learning_rate, False)):
            named = ((name, p) for name, p in self.net.named_parameters() if p.requires_grad)
            chosen = [p for name, p in named if name.startswith("encoder.") == in_encoder]
            # Normalisation and biases are not decayed.
            weights, others = [p for p in chosen if p.ndim > 1], [p for p in chosen if p.ndim <= 1]
            groups.append({"params": weights, "lr": rate, "weight_decay": params.weight_decay})
            groups.append({"params": others, "lr": rate, "weight_decay": 0.0})
        optimizer = torch.optim.AdamW([group for group in groups if group["params"]])
        num_steps = params.epochs * self.steps_per_epoch
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(params.schedule, step, self.steps_per_epoch, num_steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _pooled(ab: Tensor, like: Tensor) -> Tensor:
    """The mean colour of the pixels that each of the network's stands for."""
    return F.adaptive_avg_pool2d(ab, (like.shape[2], like.shape[3]))


def _sampled(classes: Tensor, like: Tensor) -> Tensor:
    """The class in the middle of the pixels that each of the network's stands for."""
    stride = classes.shape[1] // like.shape[2]
    return classes[:, stride // 2 :: stride, stride // 2 :: stride].long()
