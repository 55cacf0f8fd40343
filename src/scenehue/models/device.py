"""Where networks are computed."""

from __future__ import annotations

import torch


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
