"""What the network believes of the scene, and how that belief reaches the colours."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scenehue.scenes.labels import NUM_SCENES


class SceneHead(nn.Sequential):
    """Logits of the 365 scenes from the bottleneck: global average, one hidden layer, one linear (the paper's).

    Args:
        in_channels: Of the bottleneck.
        hidden: Units of the hidden layer.
    """

    def __init__(self, in_channels: int, hidden: int = 1024) -> None:
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(in_channels, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, NUM_SCENES),
        )


class SceneFusion(nn.Module):
    """Shifts and scales the bottleneck's channels by the believed scene (FiLM, Perez et al. 2018, equation 2).

    The belief is a distribution over scenes, so an uncertain one mixes what its scenes ask for. Starts as the identity.

    Args:
        channels: Of the bottleneck.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(NUM_SCENES, 2 * channels, bias=False)
        nn.init.zeros_(self.modulation.weight)

    def forward(self, bottleneck: Tensor, scene_logits: Tensor) -> Tensor:
        scale, shift = self.modulation(torch.softmax(scene_logits.float(), dim=1)).chunk(2, dim=1)
        return bottleneck * (1 + scale[..., None, None]) + shift[..., None, None]
