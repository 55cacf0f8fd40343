"""The U-Net's way up: feature maps from coarse to fine, joined with the encoder's at each depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenehue.models.encoders import DoubleConv


class PaperUpBlock(nn.Module):
    """The paper's: upsample, convolve to the skip's channels, join, convolve twice."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.Conv2d(in_channels, skip_channels, 3, padding=1)
        self.fuse = DoubleConv(2 * skip_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.relu(self.up(F.interpolate(x, scale_factor=2.0)))
        return self.fuse(torch.cat([skip, x], dim=1))


class UpBlock(nn.Module):
    """Upsample, join with the skip, convolve: over all channels, or depthwise between 1x1 convolutions."""

    def __init__(
        self, in_channels: int, skip_channels: int, out_channels: int, kind: Literal["full", "separable"]
    ) -> None:
        super().__init__()
        joined = in_channels + skip_channels
        if kind == "full":
            self.fuse = _norm_relu(nn.Conv2d(joined, out_channels, 3, padding=1, bias=False))
        else:
            self.fuse = nn.Sequential(
                *_norm_relu(nn.Conv2d(joined, out_channels, 1, bias=False)),
                nn.Conv2d(out_channels, out_channels, 5, padding=2, groups=out_channels, bias=False),
                *_norm_relu(nn.Conv2d(out_channels, out_channels, 1, bias=False)),
            )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.fuse(torch.cat([F.interpolate(x, scale_factor=2.0), skip], dim=1))


def _norm_relu(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU(inplace=True))


class Decoder(nn.Module):
    """Walks from the bottleneck up through the skips.

    Args:
        blocks: One a step, deepest first.
    """

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, bottleneck: Tensor, skips: Sequence[Tensor]) -> list[Tensor]:
        """Gives the map after each step; ``skips`` come deepest first, those that no block asks for are left over."""
        maps = [bottleneck]
        for block, skip in zip(self.blocks, skips, strict=False):
            maps.append(block(maps[-1], skip))
        return maps[1:]
