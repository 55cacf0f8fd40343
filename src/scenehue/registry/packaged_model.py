"""The model that MLflow loads and serves. MLflow copies this file into the package and runs it there: no pickle.

It needs what colouring needs, and nothing of training; ``scenehue`` itself lies in the package beside it.
"""

from __future__ import annotations

import base64
import binascii
import io
import tempfile
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel

from scenehue.errors import ScenehueError
from scenehue.inference.colorizer import Colorizer
from scenehue.inference.convert import Settings, convert
from scenehue.inference.formats import PNG
from scenehue.inference.photo_file import open_photo

PHOTO = "photo"
"""The column that photographs come in and go out by."""


class PackagedColorizer(PythonModel):  # type: ignore[misc]
    """Photographs in, coloured ones out, as `Colorizer` makes them."""

    def load_context(self, context: Any) -> None:
        self.colorizer = Colorizer.load(context.artifacts["model"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Colours every photograph of a column.

        Args:
            context: Not needed.
            model_input: The column ``photo``: the bytes of a JPEG, PNG or other file (base64 in JSON), or, from Python,
                arrays (H, W, 3) or (H, W), uint8 sRGB.
            params: ``decoder``, ``size`` and ``saturation``; the model's own where they are None.

        Returns:
            The column ``photo``: the bytes of a PNG for a file, an (H, W, 3) uint8 array for an array.
        """
        given = params or {}
        size, saturation = given.get("size"), given.get("saturation")
        way = self.colorizer.decoder(given.get("decoder"), None if saturation is None else float(saturation))
        settings = Settings(None if size is None else int(size), way)
        colored = [self._color(photo, index, settings) for index, photo in enumerate(model_input[PHOTO])]
        return pd.DataFrame({PHOTO: pd.Series(colored, dtype=object)})

    def _color(self, photo: Any, index: int, settings: Settings) -> Any:
        if isinstance(photo, np.ndarray):
            return self.colorizer(
                photo, decoder=settings.decoder.name, saturation=settings.decoder.saturation, size=settings.size
            )
        name = f"photo {index}"
        if isinstance(photo, str):
            try:
                photo = base64.b64decode(photo, validate=True)
            except binascii.Error as error:
                raise ScenehueError(f"{name} is a text that is no base64") from error
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "colored.png"
            opened = open_photo(io.BytesIO(bytes(photo)), name)
            convert(self.colorizer.model, opened, path, PNG, settings)
            return path.read_bytes()


mlflow.models.set_model(PackagedColorizer())
