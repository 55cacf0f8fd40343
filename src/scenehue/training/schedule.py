"""How the learning rate moves, as a factor of the given rate."""

from __future__ import annotations

import math

from scenehue.params import ScheduleParams


def rate_factor(params: ScheduleParams, step: int, steps_per_epoch: int, num_steps: int) -> float:
    """The factor at one step.

    Args:
        params: Which schedule.
        step: Optimiser steps done.
        steps_per_epoch: Optimiser steps of one epoch.
        num_steps: Optimiser steps of the whole training.

    Example:
        >>> [round(rate_factor(ScheduleParams(name="step"), step, 1, 10), 4) for step in (0, 5, 10)]
        [1.0, 0.95, 0.9025]
    """
    epoch = step // steps_per_epoch
    if params.name == "step":
        return 0.95 ** (epoch // 5)
    if params.name == "cyclic":
        phase = (epoch % 8) / 8
        return 0.2 + 0.6 * abs(1 - 2 * phase)
    warmup = params.warmup_share * num_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, num_steps - warmup))))
