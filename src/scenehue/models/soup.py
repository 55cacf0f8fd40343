"""The mean of several networks' weights, which often serves photographs from elsewhere better than any one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from scenehue.errors import ArtifactError
from scenehue.models.checkpoint import ModelCard, load_checkpoint
from scenehue.models.network import ColorNet


def load_soup(folders: Sequence[str | Path]) -> tuple[ColorNet, list[ModelCard]]:
    """Loads networks that were trained from one start, and averages their weights (Wortsman et al. 2022, uniform soup).

    Trainings that began apart lie in valleys of their own, and between them is no network; this cannot be told from the
    weights, only from what the mean then validates to.

    Args:
        folders: Of checkpoints of the same architecture; one that is named twice counts twice.

    Returns:
        The mean, on the CPU, in float32, switched to evaluation; and their cards.

    Raises:
        ArtifactError: A checkpoint cannot be loaded, or its architecture is not that of the first.
    """
    net, card = load_checkpoint(folders[0])
    cards = [card]
    total: dict[str, Tensor] = net.state_dict()
    for folder in folders[1:]:
        other, their_card = load_checkpoint(folder)
        theirs = their_card.architecture.model_dump(exclude={"pretrained"})
        if theirs != card.architecture.model_dump(exclude={"pretrained"}):
            raise ArtifactError(f"{folder} cannot be averaged with {folders[0]}: it has another architecture")
        cards.append(their_card)
        state = other.state_dict()
        total = {name: value + state[name] if value.is_floating_point() else value for name, value in total.items()}
    net.load_state_dict(
        {name: value / len(folders) if value.is_floating_point() else value for name, value in total.items()}
    )
    return net, cards
