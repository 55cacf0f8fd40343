"""Which photos make up which batch, and which process gets it.

Batches are cut before they are shared out, so they are the same ones whatever the number of processes: in each step the
processes together see the batches that one process would accumulate.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, Sampler, SequentialSampler

from scenehue.data.loading import Batch, ColorDataset, start_worker
from scenehue.data.parallel import default_workers
from scenehue.errors import ParamsError
from scenehue.params import MachineParams, TrainParams
from scenehue.training.processes import ALONE, Place


def steps_per_epoch(num_photos: int, params: TrainParams) -> int:
    """Optimiser steps of one epoch: complete ones; the photos left over come in other epochs, in another order.

    Raises:
        ParamsError: There are fewer photos than batches in a step.
    """
    return num_photos // (_batch_size(num_photos, params) * params.accumulate)


def loader(
    dataset: ColorDataset, params: TrainParams, machine: MachineParams, training: bool, place: Place = ALONE
) -> DataLoader[Batch]:
    """Batches of a data set, those of one process.

    In training they are complete, and come in an order that follows from the seed and the epoch alone. In validation
    every process gets some, and each photo is in one batch; should there be fewer photos than processes, all get all.

    Args:
        dataset: The photos.
        params: Of the training.
        machine: How many workers load them.
        training: Whether it is for training.
        place: Of this process among those that share the batches.
    """
    sampler: Sampler[Any]
    if training:
        sampler = DistributedSampler(dataset, num_replicas=1, rank=0, seed=params.seed)
        size = _batch_size(len(dataset), params)
        num_batches = steps_per_epoch(len(dataset), params) * params.accumulate
    else:
        sampler = SequentialSampler(dataset)
        place = place if len(dataset) >= place.processes else ALONE
        size = min(params.batch_size, len(dataset) // place.processes)
        num_batches = -(-len(dataset) // size)
    workers = default_workers(machine.workers)
    if machine.workers is None:
        workers //= place.on_this_machine
    return DataLoader(
        dataset,
        batch_sampler=_Share(BatchSampler(sampler, size, drop_last=training), num_batches, place),
        num_workers=workers,
        persistent_workers=training and workers > 0,
        worker_init_fn=start_worker,
        pin_memory=torch.cuda.is_available(),
    )


class _Share(Sampler[list[int]]):
    """The batches of one process: of each so many in a row one."""

    def __init__(self, batches: BatchSampler, num_batches: int, place: Place) -> None:
        self.batches = batches
        self.sampler = batches.sampler  # whom Lightning tells the epoch
        self.numbers = range(place.rank, num_batches, place.processes)

    def __iter__(self) -> Iterator[list[int]]:
        return islice(self.batches, self.numbers.start, self.numbers.stop, self.numbers.step)

    def __len__(self) -> int:
        return len(self.numbers)


def _batch_size(num_photos: int, params: TrainParams) -> int:
    if num_photos < params.accumulate:
        raise ParamsError(
            f"train.accumulate asks for {params.accumulate} batches a step, but there are only {num_photos} training "
            "photos; lower it"
        )
    return min(params.batch_size, num_photos // params.accumulate)
