"""Several networks as one: what it says is the mean of what its members say."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scenehue.models.network import ColorNet, Outputs
from scenehue.params import ModelParams


class Ensemble(nn.Module):
    """Networks of one architecture that colour together, and may have been trained from different starts.

    Distributions over colours and scenes are averaged as log probabilities (the geometric mean, or product of experts:
    Hinton, "Training Products of Experts by Minimizing Contrastive Divergence", 2002), so that a colour which one
    member holds to be impossible is hardly given, and only one softmax is computed.

    Args:
        members: At least one.

    Example:
        >>> config = ModelParams(encoder="unet", width=4, soft_stride=2)
        >>> ensemble = Ensemble([ColorNet(config), ColorNet(config)]).eval()
        >>> outputs = ensemble(torch.full((1, 1, 64, 96), 50.0))
        >>> outputs.ab.shape, outputs.soft_logits.shape, outputs.scene_logits.shape
        (torch.Size([1, 2, 64, 96]), torch.Size([1, 313, 32, 48]), torch.Size([1, 365]))
    """

    def __init__(self, members: Sequence[ColorNet]) -> None:
        super().__init__()
        self.members: Sequence[ColorNet] = nn.ModuleList(members)  # type: ignore[assignment]

    @property
    def config(self) -> ModelParams:
        """The architecture of each member."""
        return self.members[0].config

    def forward(self, lightness: Tensor) -> Outputs:
        """Predicts; arguments and result as of `ColorNet.forward`, logits being means of log probabilities.

        Up to a constant that no softmax sees, the mean of logits is that of log probabilities.
        """
        ab, soft, scenes, classes = zip(*(member(lightness) for member in self.members), strict=True)
        return Outputs(_mean(ab), _mean(soft), _mean_if_any(scenes), _mean_if_any(classes))

    def for_colors(self) -> Ensemble:
        """The same networks, weights shared, without the segmentation heads; see `ColorNet.for_colors`."""
        return Ensemble([member.for_colors() for member in self.members]).train(self.training)


Network = ColorNet | Ensemble
"""Whatever a checkpoint may hold."""


def members_of(network: Network) -> list[ColorNet]:
    """The networks that an ensemble consists of; a network alone is its own only member."""
    return list(network.members) if isinstance(network, Ensemble) else [network]


def _mean(of_members: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(of_members)).mean(0)


def _mean_if_any(of_members: Sequence[Tensor | None]) -> Tensor | None:
    said = [tensor for tensor in of_members if tensor is not None]
    return _mean(said) if said else None
