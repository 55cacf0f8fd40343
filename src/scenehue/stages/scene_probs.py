"""Stage ``scene_probs``: which scenes a teacher sees in each photo; its five strongest beliefs are the soft label."""

from __future__ import annotations

import csv
import functools
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scenehue.cluster import Lost, connected
from scenehue.data.decode import decode_rgb
from scenehue.data.files import replacing_folder
from scenehue.data.parallel import default_workers
from scenehue.data.shards import PhotoDataset
from scenehue.errors import ScenehueError
from scenehue.params import Params, SceneProbsParams
from scenehue.scenes.labels import NAMES, OUTDOOR
from scenehue.scenes.soft_labels import NUM_KEPT, soft_labels
from scenehue.scenes.table import write_scene_table
from scenehue.scenes.teachers import Teacher, open_teacher
from scenehue.scenes.views import square_side, squash

SPLITS = ("train", "val", "test")
Photo = npt.NDArray[np.uint8]
Labels = tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]


def run(params: Params, root: Path = Path(".")) -> None:
    """Labels the photos of all splits.

    Reads ``artifacts/dataset``; writes ``artifacts/scene_probs/scene_probs.parquet`` and ``scenes.csv``, which counts
    the photos whose first class is each scene. Over Ray it writes the same bytes: the teacher sees the same batches.

    Args:
        params: Section ``scene_probs`` names the teacher, ``machine`` where it computes.
        root: The repository's root.

    Raises:
        ArtifactError: The data set is missing, or the teacher's file cannot be used.
        ClusterError: ``machine.ray`` names a cluster that cannot be reached.
    """
    teacher = open_teacher(params.scene_probs, params.machine.device)
    dataset = PhotoDataset((root / "artifacts/dataset").resolve())
    classes = np.empty((len(dataset), NUM_KEPT), np.int16)
    probabilities = np.empty((len(dataset), NUM_KEPT), np.float32)
    columns = TextColumn("scene_probs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns) as progress:
        task = progress.add_task("", total=len(dataset))
        labels = _labels_over_ray(dataset, params) if params.machine.ray else _labels_here(dataset, teacher, params)
        for batch, (their_classes, their_probabilities) in labels:
            rows = slice(batch.start, batch.stop)
            classes[rows], probabilities[rows] = their_classes, their_probabilities
            progress.advance(task, len(batch))
    source = teacher.name, teacher.sha256
    with replacing_folder(root / "artifacts" / "scene_probs") as folder:
        write_scene_table(folder / "scene_probs.parquet", dataset.ids, classes, probabilities, source)
        _write_summary(folder / "scenes.csv", classes[:, 0].tolist(), dataset.manifest["split"].to_pylist())


def _batches(dataset: PhotoDataset, size: int) -> list[range]:
    return [range(start, min(start + size, len(dataset))) for start in range(0, len(dataset), size)]


def _view(dataset: PhotoDataset, side: int, index: int) -> Photo:
    return squash(decode_rgb(dataset.encoded(index), short_side=square_side(side)), side)


def _labels_here(dataset: PhotoDataset, teacher: Teacher, params: Params) -> Iterator[tuple[range, Labels]]:
    """Batches in order; each is decoded in threads while the one before it is looked at."""
    view = functools.partial(_view, dataset, teacher.side)
    with ThreadPoolExecutor(max(default_workers(params.machine.workers), 1)) as pool:
        seen: range | None = None
        ahead: Iterator[Photo] = iter(())
        for batch in [*_batches(dataset, params.scene_probs.batch_size), None]:
            photos, ahead = ahead, pool.map(view, batch or ())
            if seen is not None:
                yield seen, soft_labels(teacher.probabilities(list(photos)))
            seen = batch


def _labels_over_ray(dataset: PhotoDataset, params: Params) -> Iterator[tuple[range, Labels]]:
    """Batches as Ray's workers are done with them."""
    workers, device = default_workers(params.machine.workers), params.machine.device
    with connected(params.machine.ray or "", workers) as cluster:
        on_gpu = cluster.computes_on_gpu(device)
        weights = params.scene_probs.weights
        if weights and "://" not in weights:
            weights = str(Path(weights).resolve())
        teacher = params.scene_probs.model_copy(update={"weights": weights})
        look = functools.partial(_look, teacher, "cuda" if on_gpu else device, dataset.folder)
        batches = _batches(dataset, params.scene_probs.batch_size)
        for batch, labels in cluster.map(look, batches, on_gpu=on_gpu):
            if isinstance(labels, Lost):
                raise ScenehueError(f"photos {batch.start} to {batch.stop - 1} were not labelled: {labels.reason}")
            yield batch, labels


def _look(params: SceneProbsParams, device: str, folder: Path, batch: range) -> Labels:
    """Labels a batch in one of Ray's workers."""
    teacher, dataset = _opened(params, device, folder)
    return soft_labels(teacher.probabilities([_view(dataset, teacher.side, index) for index in batch]))


@functools.cache
def _opened(params: SceneProbsParams, device: str, folder: Path) -> tuple[Teacher, PhotoDataset]:
    """What a worker process opens once."""
    return open_teacher(params, device), PhotoDataset(folder)


def _write_summary(path: Path, first: list[int], splits: list[str]) -> None:
    counts = Counter(zip(first, splits, strict=True))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class", "scene", "environment", "photos", *SPLITS])
        for scene, total in sorted(Counter(first).items(), key=lambda item: (-item[1], item[0])):
            environment = "outdoor" if OUTDOOR[scene] else "indoor"
            writer.writerow([scene, NAMES[scene], environment, total, *(counts[scene, split] for split in SPLITS)])
