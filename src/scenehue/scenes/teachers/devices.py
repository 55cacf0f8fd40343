"""Where the teachers that torch runs are computed."""

from __future__ import annotations

import torch


def choose_device(name: str) -> torch.device:
    """Turns ``auto`` into CUDA where there is one, else the processor; any other name is taken as it is."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
