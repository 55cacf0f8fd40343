"""Which decoders a model is measured with, and how each is set."""

from __future__ import annotations

from typing import Any

from scenehue.inference.model import Decoder
from scenehue.models.checkpoint import ModelCard
from scenehue.params import EvaluateParams

_FROM_BINS = ("mode", "mean", "annealed", "vivid")


def trained(head: str, card: ModelCard) -> bool:
    """Whether a head (``reg``, ``soft``, ``scene``, ``segmentation``) was trained, as far as the card knows.

    Of a mean or an ensemble it must have been trained in all that it is made of.
    """
    return _trained(head, card.provenance)


def _trained(head: str, provenance: dict[str, Any]) -> bool:
    parts = [*provenance.get("average", ()), *provenance.get("ensemble", ())]
    own = provenance.get("params", {}).get("losses", {}).get(head) != 0
    return own and all(_trained(head, part) for part in parts)


def choose_decoders(wanted: EvaluateParams, card: ModelCard) -> tuple[list[Decoder], dict[str, str]]:
    """Leaves out the decoders of heads that were not trained, and a vivid one that was never tuned.

    Args:
        wanted: Names, and the temperature of the annealed mean.
        card: Of the model; its decoders' settings go before ours.

    Returns:
        The decoders in the wanted order, and for each one left out, the reason.
    """
    decoders: list[Decoder] = []
    missing: dict[str, str] = {}
    for name in dict.fromkeys(wanted.decoders):
        head = "soft" if name in _FROM_BINS else "reg"
        if not trained(head, card):
            missing[name] = f"the model was trained without the {head} loss"
        elif name == "vivid" and name not in card.decoders:
            missing[name] = "the model's card names no temperature and saturation for it"
        else:
            settings = {"temperature": wanted.temperature} if name == "annealed" else card.decoders.get(name, {})
            decoders.append(Decoder(name, **settings))
    return decoders, missing
