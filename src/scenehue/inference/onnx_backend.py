"""The network run by onnxruntime: all that the base install needs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from scenehue.errors import ArtifactError
from scenehue.inference.card import Card, parse_card
from scenehue.inference.model import Decoder

Float32 = npt.NDArray[np.float32]

CARD_KEY = "scenehue"
"""Under this key the graph's metadata holds the model's card."""
REGRESSION = 0.0
"""The temperature that stands for the regression head."""
COLDEST = 1e-3
"""A temperature at which the annealed mean is the mode."""


class OnnxModel:
    """A `ChromaModel` around an exported graph.

    Args:
        path: The file that ``scenehue export --to onnx`` wrote.
        threads: Of one prediction; as many as there are cores without a number.

    Raises:
        ArtifactError: The file is missing, corrupt, or another kind of graph.
    """

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Sizes differ from photo to photo; memory kept for the largest would only grow.
        options.enable_cpu_mem_arena = False
        if not Path(path).is_file():
            raise ArtifactError(f"{path} is missing")
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            card = self.session.get_modelmeta().custom_metadata_map[CARD_KEY]
        except KeyError as error:
            raise ArtifactError(f"{path} was not written by `scenehue export`") from error
        except Exception as error:  # onnxruntime's own kinds share no base but this
            raise ArtifactError(f"{path} is not a graph that onnxruntime can run: {error}") from error
        self.card: Card = parse_card(card, path)
        self.size = self.card.size
        self.multiple = self.card.multiple
        self.scales = self.card.scales

    def chroma(self, lightness: Float32, decoder: Decoder) -> Float32:
        """See `ChromaModel.chroma`."""
        temperature = {"reg": REGRESSION, "mode": COLDEST, "mean": 1.0}.get(decoder.name, decoder.temperature)
        inputs = {"lightness": lightness[:, None], "temperature": np.array(temperature, np.float32)}
        (ab,) = self.session.run(["ab"], inputs)
        return np.asarray(ab * np.float32(decoder.saturation), np.float32)
