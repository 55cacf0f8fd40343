"""Where networks are computed, and how they lie in memory there."""

from __future__ import annotations

import torch
from torch import nn


def choose_device(name: str, mps: bool = False) -> torch.device:
    """Turns ``auto`` into a GPU where there is one, else the processor; any other name is taken as it is.

    Args:
        name: ``auto``, or a device as torch names it.
        mps: ``auto`` may be the GPU of a Mac, too.

    Example:
        >>> choose_device("cuda:1"), choose_device("cpu")
        (device(type='cuda', index=1), device(type='cpu'))
    """
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if mps and torch.backends.mps.is_available() else "cpu")


def use_channels_last(net: nn.Module) -> None:
    """Puts channels innermost in memory, in place, where convolutions are fastest on CPUs and tensor cores."""
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
