"""Sets a trained network's decoders on validation photographs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import Tensor

from scenehue.data.loading import Batch
from scenehue.evaluation.tuning import TEMPERATURES, tune_reg, tune_vivid
from scenehue.models.network import ColorNet
from scenehue.training.pictures import decoded

MAX_PHOTOS = 200
"""About so many validation photographs, the first by hash, are looked at."""


def set_decoders(
    net: ColorNet, bins: Tensor, batches: Iterable[Batch], reg: bool, vivid: bool
) -> dict[str, dict[str, float]]:
    """Chooses the saturation of Reg, and the temperature and saturation of vivid.

    Args:
        net: The network; it is switched to evaluation.
        bins: (Q, 2) centres of the quantised colours.
        batches: Of validation photographs.
        reg: Whether to set Reg.
        vivid: Whether to set vivid.

    Returns:
        Settings by decoder, as a model's card keeps them; nothing where there are no photographs.
    """
    looked_at = list(_first(batches)) if reg or vivid else []
    if not looked_at:
        return {}
    truths, regression, annealed = decoded(net.eval(), bins, looked_at, TEMPERATURES)
    decoders = {}
    if reg:
        decoders["reg"] = tune_reg(truths, regression)
    if vivid:
        decoders["vivid"] = tune_vivid(truths, annealed)
    return decoders


def _first(batches: Iterable[Batch]) -> Iterator[Batch]:
    seen = 0
    for batch in batches:
        yield batch
        seen += len(batch.lightness)
        if seen >= MAX_PHOTOS:
            return
