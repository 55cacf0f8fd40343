"""Other networks as teachers: what they say of a crop is learnt beside its true colours.

The truth of one photograph is one of many that were possible; the mean of several networks is nearer to what can be
known of it (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from scenehue.inference.predict import working_shape
from scenehue.models.checkpoint import load_checkpoint
from scenehue.models.device import use_channels_last


class Teachers:
    """Networks that say together what colours a crop may have.

    They are no part of the network that learns from them, nor of its checkpoints.

    Args:
        folders: Of their checkpoints.

    Raises:
        ArtifactError: A checkpoint cannot be loaded.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._nets = []
        for folder in folders:
            net, card = load_checkpoint(folder)
            net.requires_grad_(False)
            use_channels_last(net)
            self._nets.append((net, card))

    @torch.no_grad()
    def ab(self, lightness: Tensor, like: Tensor) -> Tensor:
        """The mean of their regression heads, each looking at the size and scales at which it colours.

        Args:
            lightness: (N, 1, H, W), L in 0..100.
            like: (N, 2, h, w): what it is to be compared with.

        Returns:
            (N, 2, h, w): ab in Lab units.
        """
        shape = like.shape[-2:]
        height, width = lightness.shape[-2:]
        said = []
        for net, card in self._nets:
            net.to(lightness.device)
            seen = {working_shape(height, width, card.size * scale, card.multiple) for scale in card.scales}
            looks = [net(_resized(lightness, view)).ab for view in sorted(seen)]
            said.append(torch.stack([_resized(ab, shape) for ab in looks]).mean(0))
        return torch.stack(said).mean(0)


def _resized(planes: Tensor, shape: Sequence[int]) -> Tensor:
    if planes.shape[-2:] == tuple(shape):
        return planes
    return F.interpolate(planes, tuple(shape), mode="bilinear", antialias=True)
