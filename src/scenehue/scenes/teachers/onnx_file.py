"""Any ONNX scene classifier as a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from scenehue.errors import ArtifactError
from scenehue.scenes.labels import NUM_SCENES
from scenehue.scenes.teachers.files import file_sha256
from scenehue.scenes.views import central_views

DEFAULT_SIDE = 224


class OnnxTeacher:
    """A graph from RGB in 0..1, float32 (N, 3, S, S), to probabilities or logits (N, 365).

    S is read from the graph, and is 224 if the graph leaves it open. Outputs that are no distribution go through a
    softmax. Runs on the processor.

    Args:
        path: The ONNX file.

    Raises:
        ArtifactError: It is no ONNX graph, takes something else, or gives another number of classes.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"onnx {path.name}"
        try:
            self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions share no narrower base
            raise ArtifactError(f"{path} cannot be read as an ONNX model: {error}") from error
        self.sha256 = file_sha256(path)
        first = self._session.get_inputs()[0]
        self._input, shape = first.name, first.shape
        self._batch = shape[0] if shape and isinstance(shape[0], int) else None
        self.side = shape[2] if len(shape) == 4 and isinstance(shape[2], int) else DEFAULT_SIDE
        grey = np.full((self._batch or 1, 3, self.side, self.side), 0.5, np.float32)
        try:
            (trial, *_) = self._session.run(None, {self._input: grey})
        except Exception as error:
            raise ArtifactError(f"{path} must take RGB as float32 (N, 3, S, S), but does not: {error}") from error
        if np.shape(trial) != (len(grey), NUM_SCENES):
            wanted = f"({len(grey)}, {NUM_SCENES})"
            raise ArtifactError(f"{path} gives {np.shape(trial)} where a scene teacher gives {wanted}")
        self._gives_logits = bool((trial < 0).any() or np.abs(trial.sum(axis=1) - 1).max() > 1e-3)

    def probabilities(self, photos: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Classifies photos, as `scenehue.scenes.teachers.Teacher` says."""
        views = central_views(photos, self.side)
        size = self._batch or len(views)
        outputs = []
        for start in range(0, len(views), size):
            chunk = views[start : start + size]
            # A graph with a fixed batch gets a full one: photos repeat, and their answers are dropped.
            (output, *_) = self._session.run(None, {self._input: np.resize(chunk, (size, *chunk.shape[1:]))})
            outputs.append(output[: len(chunk)])
        result = np.concatenate(outputs).astype(np.float32)
        if self._gives_logits:
            result = torch.from_numpy(result).softmax(dim=1).numpy()
        return result
