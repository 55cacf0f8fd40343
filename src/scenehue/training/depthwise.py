"""Depthwise convolutions that stay in float32 where the rest trains in bfloat16 on a CPU.

Their bfloat16 backward pass is what takes most of a step there (``benchmarks/training_step.py`` shows by how much).
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn


@functools.cache
def _float32_version(kind: Any) -> type[nn.Conv2d]:
    def forward(self: nn.Conv2d, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return kind.forward(self, x.float())

    version: type[nn.Conv2d] = type(f"Float32{kind.__name__}", (kind,), {"forward": forward})
    return version


def keep_depthwise_in_float32(net: nn.Module) -> None:
    """Takes a network's depthwise convolutions out of autocast, in place; names and weights stay as they are."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            kind: Any = type(module)
            module.__class__ = _float32_version(kind)
