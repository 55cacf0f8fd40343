"""Several checkpoints as one network: by the mean of their weights, or side by side, by that of their predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from scenehue.errors import ArtifactError
from scenehue.models.checkpoint import ModelCard, load_checkpoint
from scenehue.models.ensemble import Ensemble, Network, members_of
from scenehue.models.network import ColorNet


def load_soup(folders: Sequence[str | Path]) -> tuple[ColorNet, list[ModelCard]]:
    """Loads networks that were trained from one start, and averages their weights (Wortsman et al. 2022, uniform soup).

    The mean often serves photographs from elsewhere better than any one of them, at the cost of one. Trainings that
    began apart lie in valleys of their own, and between them is no network; this cannot be told from the weights, only
    from what the mean then validates to.

    Args:
        folders: Of checkpoints of the same architecture; one that is named twice counts twice.

    Returns:
        The mean, on the CPU, in float32, switched to evaluation; and their cards.

    Raises:
        ArtifactError: A checkpoint cannot be loaded, holds an ensemble, or another architecture than the first.
    """
    nets, cards = _load_alike(folders)
    for folder, net in zip(folders, nets, strict=True):
        if isinstance(net, Ensemble):
            raise ArtifactError(f"{folder} holds an ensemble, whose weights have no mean; average what it was made of")
    total: dict[str, Tensor] = nets[0].state_dict()
    for net in nets[1:]:
        state = net.state_dict()
        total = {name: value + state[name] if value.is_floating_point() else value for name, value in total.items()}
    (mean, *_) = members_of(nets[0])
    mean.load_state_dict(
        {name: value / len(folders) if value.is_floating_point() else value for name, value in total.items()}
    )
    return mean, cards


def load_ensemble(folders: Sequence[str | Path]) -> tuple[Ensemble, list[ModelCard]]:
    """Loads networks, from whatever starts, that are to colour together; see `Ensemble`.

    Args:
        folders: Of checkpoints of the same architecture; the members of an ensemble are taken one by one.

    Returns:
        The ensemble, on the CPU, in float32, switched to evaluation; and the checkpoints' cards.

    Raises:
        ArtifactError: A checkpoint cannot be loaded, or holds another architecture than the first.
    """
    nets, cards = _load_alike(folders)
    return Ensemble([member for net in nets for member in members_of(net)]).eval(), cards


def _load_alike(folders: Sequence[str | Path]) -> tuple[list[Network], list[ModelCard]]:
    nets, cards = zip(*(load_checkpoint(folder) for folder in folders), strict=True)
    first, *others = (card.architecture.model_dump(exclude={"pretrained"}) for card in cards)
    for folder, other in zip(folders[1:], others, strict=True):
        if other != first:
            raise ArtifactError(f"{folder} cannot be combined with {folders[0]}: it has another architecture")
    return list(nets), list(cards)
