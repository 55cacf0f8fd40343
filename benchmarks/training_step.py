"""Training steps with the real loader against the same steps on batches already in memory, and what bfloat16 costs.

    python benchmarks/training_step.py DATASET SCENE_PROBS

DATASET is the folder of the stage ``dataset``, SCENE_PROBS the ``scene_probs.parquet`` that goes with it.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader

from scenehue.color.bins import ab_bins
from scenehue.data.loading import Batch, ColorDataset, SceneLabels
from scenehue.data.shards import PhotoDataset
from scenehue.models.device import use_channels_last
from scenehue.models.network import ColorNet
from scenehue.params import AugmentParams, ColorPriorParams, MachineParams, TrainParams
from scenehue.training.batches import loader
from scenehue.training.depthwise import keep_depthwise_in_float32
from scenehue.training.module import ColorModule


class Trainer:
    """Forward, backward, step: what Lightning runs, without what it adds around it."""

    def __init__(self, params: TrainParams, bfloat16: bool = True, depthwise_float32: bool = True) -> None:
        net = ColorNet(params.model.model_copy(update={"pretrained": False}))
        use_channels_last(net)
        if depthwise_float32:
            keep_depthwise_in_float32(net)
        self.module = ColorModule(net, params, ColorPriorParams(), ab_bins(), np.ones(313), 1)
        self.module.log_dict = lambda *_, **__: None  # type: ignore[method-assign, assignment]
        self.optimizer = self.module.configure_optimizers()["optimizer"]
        self.bfloat16 = bfloat16

    def photos_per_second(self, batches: Iterable[Batch], num: int, warm_up: int = 2) -> float:
        seen = 0
        for step, batch in enumerate(itertools.islice(batches, num + warm_up)):
            if step == warm_up:
                start = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                loss = self.module.training_step(batch, step)
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            seen += len(batch.lightness) if step >= warm_up else 0
        return seen / (time.perf_counter() - start)


def endless(batches: DataLoader[Batch]) -> Iterator[Batch]:
    """Epoch after epoch."""
    while True:
        yield from batches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("scene_probs", type=Path)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batches", type=int, default=12)
    args = parser.parse_args()
    params = TrainParams(size=args.size, batch_size=32)
    photos = ColorDataset(
        PhotoDataset(args.dataset, "train"), SceneLabels(args.scene_probs), params.size, AugmentParams()
    )
    batches = endless(loader(photos, params, MachineParams(), training=True))
    memory = list(itertools.islice(batches, 2))
    trainer, cycled = Trainer(params), itertools.cycle(memory)
    in_memory = [trainer.photos_per_second(cycled, args.batches)]
    loaded = trainer.photos_per_second(batches, args.batches)
    in_memory.append(trainer.photos_per_second(cycled, args.batches))  # before and after: the machine drifts
    reference = sum(in_memory) / 2
    table = Table(f"training at {params.size} px", "photos/s", "ratio")
    table.add_row("batches in memory", f"{reference:.1f}", "1.00")
    table.add_row("the real loader", f"{loaded:.1f}", f"{loaded / reference:.2f}")
    for name, kind in (
        ("float32", Trainer(params, bfloat16=False)),
        ("bfloat16, depthwise too", Trainer(params, depthwise_float32=False)),
    ):
        rate = kind.photos_per_second(cycled, max(2, args.batches // 4))
        table.add_row(f"{name}, in memory", f"{rate:.1f}", f"{rate / reference:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
