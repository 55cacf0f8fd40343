"""An exponential moving average of the weights, the one that is validated and kept."""

from __future__ import annotations

from typing import Any

from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor


class WarmAverage(WeightAveraging):
    """The average's memory grows with the steps done, so that short trainings are not held back by their start.

    The decay at update t is ``min(decay, (1 + t) / (10 + t))``, as in TensorFlow's ExponentialMovingAverage.

    Args:
        decay: The largest decay.
    """

    def __init__(self, decay: float) -> None:
        def average(old: Tensor, new: Tensor, num_averaged: Tensor | int) -> Tensor:
            if not new.is_floating_point():
                return new
            done = float(num_averaged)
            return old.lerp(new, 1 - min(decay, (1 + done) / (10 + done)))

        super().__init__(use_buffers=True, avg_fn=average)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> Any:
        return step_idx is not None
