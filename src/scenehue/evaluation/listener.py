"""What a head of a network says while it colours, so that asking it costs no second pass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn


class HeadListener:
    """Hears what one head says each time its network predicts.

    Args:
        head: The module inside the network.
    """

    def __init__(self, head: nn.Module) -> None:
        self._last: Tensor | None = None
        head.register_forward_hook(self._hear)

    def _hear(self, module: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        self._last = logits

    def __call__(self) -> npt.NDArray[np.floating]:
        """The logits of the photograph that was predicted last: (365,) of scenes, (182, h, w) of pixels."""
        assert self._last is not None
        return np.asarray(self._last[0].float().cpu().numpy())
