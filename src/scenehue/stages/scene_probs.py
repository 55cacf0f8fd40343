"""Stage ``scene_probs``: which scenes a teacher sees in each photo; its five strongest beliefs are the soft label."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scenehue.data.decode import decode_rgb
from scenehue.data.files import replacing_folder
from scenehue.data.parallel import default_workers
from scenehue.data.shards import PhotoDataset
from scenehue.params import Params
from scenehue.scenes.labels import NAMES, NUM_SCENES, OUTDOOR
from scenehue.scenes.soft_labels import soft_labels
from scenehue.scenes.table import write_scene_table
from scenehue.scenes.teachers import open_teacher
from scenehue.scenes.views import square_side, squash

SPLITS = ("train", "val", "test")


def run(params: Params, root: Path = Path(".")) -> None:
    """Labels the photos of all splits.

    Reads ``artifacts/dataset``; writes ``artifacts/scene_probs/scene_probs.parquet`` and ``scenes.csv``, which counts
    the photos whose first class is each scene.

    Args:
        params: Section ``scene_probs`` names the teacher, ``machine`` where it computes.
        root: The repository's root.

    Raises:
        ArtifactError: The data set is missing, or the teacher's file cannot be used.
    """
    teacher = open_teacher(params.scene_probs, params.machine.device)
    dataset = PhotoDataset(root / "artifacts" / "dataset")
    workers = default_workers(params.machine.workers)
    labels = [soft_labels(np.empty((0, NUM_SCENES), np.float32))]
    columns = TextColumn("scene_probs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns) as progress, ThreadPoolExecutor(max(workers, 1)) as pool:
        task = progress.add_task("", total=len(dataset))
        for photos in _squashed_batches(dataset, params.scene_probs.batch_size, teacher.side, pool):
            labels.append(soft_labels(teacher.probabilities(photos)))
            progress.advance(task, len(photos))
    classes, probabilities = (np.concatenate(column) for column in zip(*labels, strict=True))
    source = teacher.name, teacher.sha256
    with replacing_folder(root / "artifacts" / "scene_probs") as folder:
        write_scene_table(folder / "scene_probs.parquet", dataset.ids, classes, probabilities, source)
        _write_summary(folder / "scenes.csv", classes[:, 0].tolist(), dataset.manifest["split"].to_pylist())


def _squashed_batches(
    dataset: PhotoDataset,
    batch_size: int,
    side: int,
    pool: ThreadPoolExecutor,
) -> Iterator[list[npt.NDArray[np.uint8]]]:
    """Photos in the order of the data set, each batch decoded in threads while the one before it is looked at."""

    def see(index: int) -> npt.NDArray[np.uint8]:
        return squash(decode_rgb(dataset.encoded(index), short_side=square_side(side)), side)

    batches = [range(start, min(start + batch_size, len(dataset))) for start in range(0, len(dataset), batch_size)]
    ahead: Iterator[npt.NDArray[np.uint8]] = iter(())
    for batch in [*batches, range(0)]:
        ready, ahead = ahead, pool.map(see, batch)
        if photos := list(ready):
            yield photos


def _write_summary(path: Path, first: list[int], splits: list[str]) -> None:
    counts = Counter(zip(first, splits, strict=True))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class", "scene", "environment", "photos", *SPLITS])
        for scene, total in sorted(Counter(first).items(), key=lambda item: (-item[1], item[0])):
            environment = "outdoor" if OUTDOOR[scene] else "indoor"
            writer.writerow([scene, NAMES[scene], environment, total, *(counts[scene, split] for split in SPLITS)])
