"""What a network says beside colours while it colours, so that asking for it costs no second pass."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from scenehue.models.ensemble import Network
from scenehue.models.network import Outputs


class OutputListener:
    """Hears one output of a network each time it looks at a photograph.

    Args:
        net: The network.
        output: Which of its `Outputs`; of a head that it has.

    Example:
        >>> import torch
        >>> from scenehue.models.network import ColorNet
        >>> from scenehue.params import ModelParams
        >>> net = ColorNet(ModelParams(encoder="unet", width=4)).eval()
        >>> said = OutputListener(net, "scene_logits")
        >>> looks = [net(torch.full((1, 1, side, side), 50.0)).scene_logits[0] for side in (32, 64)]
        >>> bool(np.allclose(said(), (looks[0] + looks[1]).detach() / 2))
        True
    """

    def __init__(self, net: Network, output: Literal["scene_logits", "class_logits"]) -> None:
        self._heard: list[Tensor] = []
        self._output = output
        net.register_forward_hook(self._hear)

    def _hear(self, module: Network, inputs: tuple[Tensor, ...], outputs: Outputs) -> None:
        self._heard.append(getattr(outputs, self._output).detach())

    def __call__(self) -> npt.NDArray[np.floating]:
        """The logits of the photograph that was looked at since the last call, however often and at whatever sizes.

        Returns:
            (365,) of scenes, the mean over all looks; (182, h, w) of pixels, that over those at the largest size.
        """
        heard, self._heard = self._heard, []
        shape = max((logits.shape for logits in heard), key=lambda shape: shape.numel())
        alike = [logits[0].float().cpu().numpy() for logits in heard if logits.shape == shape]
        return np.asarray(np.mean(alike, axis=0))
