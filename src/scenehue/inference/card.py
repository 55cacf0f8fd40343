"""What prediction needs of a model's card, without the packages that training needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scenehue.errors import ArtifactError, ScenehueError
from scenehue.inference.model import Decoder

CARD = "model.json"
DECODERS = ("reg", "mode", "mean", "annealed", "vivid")


class Card(BaseModel):
    """The part of ``model.json`` that prediction reads.

    Attributes:
        size: Short side, in pixels, that the network was trained for.
        multiple: Heights and widths that it takes are multiples of this.
        scales: Sizes, relative to the working size, at which it is to see a photograph.
        decoders: Temperature and saturation of decoders that were tuned on validation photos.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    size: int = Field(ge=1)
    multiple: int = Field(ge=1)
    scales: tuple[Annotated[float, Field(gt=0, le=4)], ...] = Field((1.0,), min_length=1)
    decoders: dict[str, dict[str, float]] = Field(default_factory=dict)

    def decoder(
        self, name: str | None = None, temperature: float | None = None, saturation: float | None = None
    ) -> Decoder:
        """A decoder with the values that were tuned for it.

        Args:
            name: ``reg``, ``mode``, ``mean``, ``annealed`` or ``vivid``; without one, ``vivid`` if the card has values
                for it, else ``reg``.
            temperature: Instead of the tuned one.
            saturation: Instead of the tuned one.

        Raises:
            ScenehueError: There is no such decoder, or a value is out of its range.
        """
        if name is None:
            name = "vivid" if "vivid" in self.decoders else "reg"
        if name not in DECODERS:
            raise ScenehueError(f"there is no decoder {name!r}; choose one of {', '.join(DECODERS)}")
        values = dict(self.decoders.get(name, {}))
        if temperature is not None:
            values["temperature"] = temperature
        if saturation is not None:
            values["saturation"] = saturation
        if not 0 < values.get("temperature", 1) <= 1:
            raise ScenehueError(f"the temperature must be above 0 and at most 1, not {values['temperature']:g}")
        if not 0 <= values.get("saturation", 1) <= 10:
            raise ScenehueError(f"the saturation must be from 0 to 10, not {values['saturation']:g}")
        return Decoder(name, **values)


def parse_card(content: bytes | str, source: object) -> Card:
    """Reads a card.

    Args:
        content: JSON.
        source: Where it comes from, for error messages.

    Raises:
        ArtifactError: It is not the card of a model.
    """
    try:
        return Card.model_validate_json(content)
    except ValidationError as error:
        raise ArtifactError(f"{source} is not the card of a model: {error}") from error


def read_card(folder: Path) -> Card:
    """Reads ``model.json`` in a model's folder.

    Raises:
        ArtifactError: It is missing or is not the card of a model.
    """
    try:
        return parse_card((folder / CARD).read_bytes(), folder / CARD)
    except OSError as error:
        raise ArtifactError(
            f"{folder / CARD} cannot be read ({error.strerror}); is it the folder of a model?"
        ) from error
