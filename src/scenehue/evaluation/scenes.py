"""What a network's scene head says while it colours, and the teacher it is compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet
from torch import Tensor, nn

from scenehue.errors import ArtifactError


class SceneListener:
    """Hears what the scene head says each time a network predicts, so that scenes cost no second pass.

    Args:
        scene_head: The module inside the network.
    """

    def __init__(self, scene_head: nn.Module) -> None:
        self._last: Tensor | None = None
        scene_head.register_forward_hook(self._hear)

    def _hear(self, module: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        self._last = logits

    def __call__(self) -> npt.NDArray[np.floating]:
        """The 365 logits of the photograph that was predicted last."""
        assert self._last is not None
        return np.asarray(self._last[0].float().cpu().numpy())


def teacher_classes(path: Path) -> dict[str, int]:
    """The class that the teacher holds most probable, by photo id.

    Args:
        path: ``scene_probs.parquet``.

    Raises:
        ArtifactError: The table is missing or unreadable.
    """
    try:
        table = pa.parquet.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); run the stage scene_probs") from error
    rows = zip(*(table[column].to_pylist() for column in ("id", "classes", "probabilities")), strict=True)
    return {photo: classes[int(np.argmax(probabilities))] for photo, classes, probabilities in rows}
