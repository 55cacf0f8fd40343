"""A trained network as a folder: weights in safetensors, and all that is needed to load them in one JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from scenehue.color.bins import ab_bins
from scenehue.data.files import replacing_file
from scenehue.errors import ArtifactError
from scenehue.models.ensemble import Ensemble, Network, members_of
from scenehue.models.network import MULTIPLE, ColorNet
from scenehue.params import ModelParams

WEIGHTS = "model.safetensors"
CARD = "model.json"
GRAPH = "model.onnx"
"""What an export may have put beside them."""
MOST_MEMBERS = 64


class ModelCard(BaseModel):
    """What ``model.json`` says: the architecture, and how photos go in and colours come out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(1, ge=1, le=1)
    architecture: ModelParams
    members: int = Field(1, ge=1, le=MOST_MEMBERS)
    """Networks of this architecture whose predictions are averaged."""
    size: int = Field(ge=32)
    """Working size it was trained for: the short side that the network sees, in pixels."""
    multiple: int = MULTIPLE
    """Heights and widths that the network takes are multiples of this."""
    scales: tuple[float, ...] = (1.0,)
    """Sizes, relative to the working size, at which a photograph is seen to be coloured; the results are averaged."""
    bins: list[tuple[float, float]] = Field(default_factory=lambda: [(float(a), float(b)) for a, b in ab_bins()])
    """Centres of the quantised colours, in Lab units."""
    decoders: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Temperature and saturation of decoders that were tuned on validation photos, such as ``vivid``."""
    provenance: dict[str, Any] = Field(default_factory=dict)
    """Where it comes from: parameters, data and commit."""


def save_checkpoint(folder: str | Path, net: Network, card: ModelCard, dtype: torch.dtype = torch.float32) -> None:
    """Writes a network; each file is written aside and renamed, so a kill leaves no half-written one.

    A graph that was exported from what the folder held before is removed.

    Args:
        folder: Where ``model.safetensors`` and ``model.json`` go; made when missing.
        net: The network or ensemble.
        card: What to say of it; its number of members is set here.
        dtype: Of the stored floating-point weights; half precision halves the file.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        key: value.detach().cpu().to(dtype if value.is_floating_point() else value.dtype).contiguous()
        for key, value in net.state_dict().items()
    }
    with replacing_file(folder / WEIGHTS) as partial:
        partial.write_bytes(save(state))  # save_file() would bar other users from reading it
        (folder / GRAPH).unlink(missing_ok=True)  # which would be run in place of the new weights
    with replacing_file(folder / CARD) as partial:
        described = card.model_copy(update={"members": len(members_of(net))})
        partial.write_text(described.model_dump_json(indent=1) + "\n", encoding="utf-8")


def load_checkpoint(folder: str | Path) -> tuple[Network, ModelCard]:
    """Loads a network or an ensemble, on the CPU, in float32, switched to evaluation.

    Raises:
        ArtifactError: A file is missing, corrupt, or the two do not fit each other; the message names it.
    """
    folder = Path(folder)
    try:
        card = ModelCard.model_validate_json((folder / CARD).read_bytes())
        state = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{error.filename or folder / WEIGHTS} is missing; is {folder} the folder of a model?"
        ) from error
    except ValidationError as error:
        raise ArtifactError(f"{folder / CARD} is not the card of a model: {error}") from error
    except (SafetensorError, OSError) as error:
        name = getattr(error, "filename", None) or folder / WEIGHTS
        raise ArtifactError(f"{name} cannot be read ({error}); is {folder} the folder of a model?") from error
    members = [ColorNet(card.architecture.model_copy(update={"pretrained": False})) for _ in range(card.members)]
    net: Network = members[0] if card.members == 1 else Ensemble(members)
    try:
        net.load_state_dict(
            {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
        )
    except RuntimeError as error:
        raise ArtifactError(f"{folder / WEIGHTS} does not fit the architecture in {folder / CARD}: {error}") from error
    return net.eval(), card
