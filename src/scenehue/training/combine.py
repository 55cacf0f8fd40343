"""Several trained networks made into one model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console

from scenehue.data.shards import PhotoDataset
from scenehue.errors import ArtifactError
from scenehue.evaluation.decoders import trained
from scenehue.inference.torch_backend import TorchModel
from scenehue.models.checkpoint import save_checkpoint
from scenehue.models.ensemble import members_of
from scenehue.models.merge import load_ensemble, load_soup
from scenehue.params import Params
from scenehue.training.decoders import MAX_PHOTOS, set_decoders


def combine(
    params: Params,
    by: Literal["average", "ensemble"],
    folders: Sequence[Path],
    output: Path,
    root: Path,
    half: bool = False,
) -> None:
    """Combines networks, sets the decoders on the validation photographs, and writes the result.

    Args:
        params: `train.scales` and `train.calibrate_reg` are read.
        by: One network with the mean of their weights, or all of them side by side.
        folders: Of checkpoints; one that is named twice counts twice. The first says the working size.
        output: Folder of the new checkpoint.
        root: Where ``artifacts/dataset`` lies.
        half: Store the weights in half precision.

    Raises:
        ArtifactError: A checkpoint or the validation photographs cannot be read, or there are none of either.
    """
    net, cards = load_soup(folders) if by == "average" else load_ensemble(folders)
    photos = PhotoDataset(root / "artifacts/dataset", "val")
    if not len(photos):
        raise ArtifactError("artifacts/dataset has no validation photographs on which the decoders could be set")
    provenance = {by: [other.provenance for other in cards]}
    card = cards[0].model_copy(update={"scales": params.train.scales, "provenance": provenance})
    console = Console()
    with console.status(f"Setting the decoders on {min(len(photos), MAX_PHOTOS)} validation photographs"):
        decoders = set_decoders(
            TorchModel(net, card),
            photos,
            reg=trained("reg", card) and params.train.calibrate_reg,
            vivid=trained("soft", card),
        )
    described = card.model_copy(update={"decoders": decoders})
    save_checkpoint(output, net, described, torch.float16 if half else torch.float32)
    what = f"the mean of {len(cards)} models" if by == "average" else f"{len(members_of(net))} networks side by side"
    settings = [" ".join([name, *(f"{key} {value:g}" for key, value in of.items())]) for name, of in decoders.items()]
    console.print("; ".join([f"{output}: {what}", *settings]), soft_wrap=True, highlight=False, markup=False)
