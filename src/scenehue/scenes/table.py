"""The table of scene labels: a row a photo, with the teacher's name and checksum in the metadata."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from scenehue.scenes.soft_labels import NUM_KEPT


def write_scene_table(
    path: Path,
    ids: Sequence[str],
    classes: npt.NDArray[np.int16],
    probabilities: npt.NDArray[np.float32],
    teacher: tuple[str, str],
) -> None:
    """Writes the table; the same content gives the same bytes.

    Args:
        path: The Parquet file: ``id``, and lists of 5, ``classes`` (int16) and ``probabilities`` (float32).
        ids: N photos.
        classes: (N, 5).
        probabilities: (N, 5).
        teacher: Name and SHA-256 of who said so; metadata ``teacher`` and ``teacher_sha256``.
    """
    name, sha256 = teacher
    table = pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "classes": pa.FixedSizeListArray.from_arrays(pa.array(classes.ravel(), pa.int16()), NUM_KEPT),
            "probabilities": pa.FixedSizeListArray.from_arrays(pa.array(probabilities.ravel(), pa.float32()), NUM_KEPT),
        },
        metadata={"teacher": name, "teacher_sha256": sha256},
    )
    pq.write_table(table, path, compression="zstd")
