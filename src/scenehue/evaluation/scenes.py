"""The teacher that a network's scene head is compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from scenehue.errors import ArtifactError


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
