"""Teachers: classifiers that say which of the 365 scenes a colour photo shows.

Example:
    >>> from scenehue.params import SceneProbsParams
    >>> teacher = open_teacher(SceneProbsParams())
    >>> teacher.probabilities([np.zeros((40, 60, 3), np.uint8)]).shape
    (1, 365)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from scenehue.params import SceneProbsParams
from scenehue.scenes.teachers.files import find_weights
from scenehue.scenes.teachers.onnx_file import OnnxTeacher
from scenehue.scenes.teachers.packaged import PackagedTeacher
from scenehue.scenes.teachers.places365 import Places365Teacher


class Teacher(Protocol):
    """A scene classifier, whatever runs it."""

    name: str
    """What is recorded as the source of the labels."""
    sha256: str
    """Checksum of the file that it was read from."""
    side: int
    """Side of the square view that it looks at, in pixels."""

    def probabilities(self, photos: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Classifies photos.

        Args:
            photos: Each (H, W, 3) sRGB, of any size; a batch (N, H, W, 3) will do.

        Returns:
            (N, 365), each row summing to 1.
        """
        ...


def open_teacher(params: SceneProbsParams, device: str = "auto") -> Teacher:
    """Opens the teacher that the parameters name.

    Args:
        params: Which teacher, and where its file is.
        device: Where torch computes: ``auto``, ``cpu``, ``cuda``, ...; an ONNX file always runs on the processor.

    Raises:
        ArtifactError: The file is missing, corrupt, has another checksum, or has not 365 outputs; the message names it.
    """
    if params.weights is None:
        return PackagedTeacher(device)
    path = find_weights(params.weights, params.sha256)
    return OnnxTeacher(path) if params.teacher == "onnx" else Places365Teacher(path, device)
