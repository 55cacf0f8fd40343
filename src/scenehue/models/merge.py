"""Several checkpoints as one network: by the mean of their weights, or side by side, by that of their predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from scenehue.errors import ArtifactError
from scenehue.models.checkpoint import MOST_MEMBERS, ModelCard, load_checkpoint
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
    cards: list[ModelCard] = []
    total: dict[str, Tensor] = {}
    for net, card in _alike(folders):
        if isinstance(net, Ensemble):
            raise ArtifactError(
                f"{folders[len(cards)]} holds an ensemble, whose weights have no mean; name what it was made of instead"
            )
        cards.append(card)
        for key, value in net.state_dict().items():
            total[key] = total[key] + value if key in total and value.is_floating_point() else value
    mean = ColorNet(cards[0].architecture.model_copy(update={"pretrained": False}))
    mean.load_state_dict(
        {key: value / len(folders) if value.is_floating_point() else value for key, value in total.items()}
    )
    return mean.eval(), cards


def load_ensemble(folders: Sequence[str | Path]) -> tuple[Ensemble, list[ModelCard]]:
    """Loads networks, from whatever starts, that are to colour together; see `Ensemble`.

    Args:
        folders: Of checkpoints of the same architecture; the members of an ensemble are taken one by one.

    Returns:
        The ensemble, on the CPU, in float32, switched to evaluation; and the checkpoints' cards.

    Raises:
        ArtifactError: A checkpoint cannot be loaded, or holds another architecture than the first; or they have more
            networks than a model may have.
    """
    nets, cards = zip(*_alike(folders), strict=True)
    members = [member for net in nets for member in members_of(net)]
    if len(members) > MOST_MEMBERS:
        raise ArtifactError(f"these are {len(members)} networks; an ensemble may have {MOST_MEMBERS}")
    return Ensemble(members).eval(), list(cards)


def _alike(folders: Sequence[str | Path]) -> Iterator[tuple[Network, ModelCard]]:
    first: dict[str, Any] | None = None
    for folder in folders:
        net, card = load_checkpoint(folder)
        architecture = card.architecture.model_dump(exclude={"pretrained"})
        if first is None:
            first = architecture
        elif differing := [key for key in first if architecture[key] != first[key]]:
            key = differing[0]
            raise ArtifactError(
                f"{folder} cannot be combined with {folders[0]}: its {key} is {architecture[key]!r}, not "
                f"{first[key]!r}; name models of one architecture"
            )
        yield net, card
