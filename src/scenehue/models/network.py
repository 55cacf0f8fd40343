"""The network: one encoder, one decoder, and a head for each thing that is learnt.

Shapes: N photos, H and W height and width at the working size; lower-case h and w those of a coarser map.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from scenehue.color.bins import AB_SCALE, NUM_BINS
from scenehue.data.segmentation import NUM_CLASSES
from scenehue.errors import ParamsError
from scenehue.models.decoder import Decoder, PaperUpBlock, UpBlock
from scenehue.models.encoders import PaperEncoder, TimmEncoder
from scenehue.models.scene_context import SceneFusion, SceneHead
from scenehue.params import ModelParams

MULTIPLE = 32
"""Heights and widths that the network takes are multiples of this."""


class Outputs(NamedTuple):
    """What the network says of a batch."""

    ab: Tensor
    """(N, 2, h, w): ab by regression, in Lab units."""
    soft_logits: Tensor
    """(N, 313, h', w'): unnormalised log probabilities of the bins."""
    scene_logits: Tensor | None
    """(N, 365): of the scenes; None without a scene head."""
    class_logits: Tensor | None
    """(N, 182, h", w"): of what each pixel shows; None without a segmentation head."""


class ColorNet(nn.Module):
    """A U-Net that sees lightness and tells the scene, a distribution over colours at every pixel, and ab values.

    With a segmentation head it also tells what each pixel shows; that head shapes the rest in training only.

    With the encoder ``unet`` it is the paper's network; any timm encoder gets the same U-Net around it.

    Args:
        config: The architecture, as in ``params.yaml``. `pretrained` is heeded here; when a checkpoint is loaded right
            after, turn it off.

    Raises:
        ParamsError: The encoder is unknown, or a stride cannot be had from it; the message names the key.

    Example:
        >>> net = ColorNet(ModelParams(encoder="unet", width=4, soft_stride=2)).eval()
        >>> ab, soft_logits, scene_logits, class_logits = net(torch.full((1, 1, 64, 96), 50.0))
        >>> ab.shape, soft_logits.shape, scene_logits.shape
        (torch.Size([1, 2, 64, 96]), torch.Size([1, 313, 32, 48]), torch.Size([1, 365]))
    """

    def __init__(self, config: ModelParams) -> None:
        super().__init__()
        self.config = config
        self.encoder: PaperEncoder | TimmEncoder
        if config.encoder == "unet":
            self.encoder = PaperEncoder(config.width)
            *skips, bottleneck = self.encoder.channels
            inputs = [bottleneck, *skips[:0:-1]]
            blocks: list[nn.Module] = [
                PaperUpBlock(channels, skip, skip) for channels, skip in zip(inputs, reversed(skips), strict=True)
            ]
            widths = skips[::-1]
        else:
            self.encoder = TimmEncoder(config.encoder, config.pretrained)
            *skips, bottleneck = self.encoder.channels
            widths = list(config.decoder_channels)
            if len(widths) > len(skips):
                raise ParamsError(f"train.model.decoder_channels: {config.encoder} has {len(skips)} skips, no more")
            inputs = [bottleneck, *widths]
            blocks = [
                UpBlock(channels, skip, width, config.decoder_block)
                for channels, skip, width in zip(inputs, reversed(skips), widths, strict=False)
            ]
        strides = self.encoder.strides[-2::-1][: len(blocks)]
        for key, stride in (("soft_stride", config.soft_stride), ("segmentation_stride", config.segmentation_stride)):
            if stride not in (None, *strides):
                raise ParamsError(f"train.model.{key}: the decoder's strides are {strides}, not {stride}")
        self.soft_level = strides.index(config.soft_stride)
        self.decoder = Decoder(blocks)
        self.reg_head = nn.Conv2d(widths[-1], 2, 1)
        self.soft_head = nn.Conv2d(widths[self.soft_level], NUM_BINS, 1)
        self.scene_head = None if config.scene_context == "none" else SceneHead(bottleneck)
        self.scene_fusion = SceneFusion(bottleneck) if config.scene_context == "fused" else None
        self.segmentation_head: nn.Conv2d | None = None
        if config.segmentation_stride is not None:
            self.segmentation_level = strides.index(config.segmentation_stride)
            self.segmentation_head = nn.Conv2d(widths[self.segmentation_level], NUM_CLASSES, 1)
        self.reg_stride = strides[-1]

    def forward(self, lightness: Tensor) -> Outputs:
        """Predicts.

        Args:
            lightness: (N, 1, H, W), L in 0..100; H and W multiples of 32.
        """
        *skips, bottleneck = self.encoder(lightness / 50 - 1)
        scene_logits = self.scene_head(bottleneck) if self.scene_head is not None else None
        if self.scene_fusion is not None and scene_logits is not None:
            bottleneck = self.scene_fusion(bottleneck, scene_logits)
        maps = self.decoder(bottleneck, skips[::-1])
        ab = torch.tanh(self.reg_head(maps[-1]).float()) * AB_SCALE
        classes = None
        if self.segmentation_head is not None:
            classes = self.segmentation_head(maps[self.segmentation_level])
        return Outputs(ab, self.soft_head(maps[self.soft_level]), scene_logits, classes)

    def for_colors(self) -> ColorNet:
        """The same network, weights shared, without the segmentation head, on which no colour depends."""
        twin = copy.copy(self)
        twin._modules = self._modules | {"segmentation_head": None}
        return twin
