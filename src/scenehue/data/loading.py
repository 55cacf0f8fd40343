"""Batches for training: photos from the shards as lightness and ab, with what is known of their scene and pixels."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.utils.data import Dataset

from scenehue.color.lab import rgb_to_lab
from scenehue.data.augment import training_geometry, training_lightness, validation_geometry
from scenehue.data.coco_classes import UNLABELLED
from scenehue.data.decode import decode_rgb
from scenehue.data.segmentation import decode_map
from scenehue.data.shards import PhotoDataset
from scenehue.errors import ArtifactError
from scenehue.params import AugmentParams


class Batch(NamedTuple):
    """What the training step gets; one example has the same fields without N."""

    lightness: Tensor
    """(N, 1, H, W), L in 0..100: the input."""
    ab: Tensor
    """(N, 2, H, W), Lab units: the target."""
    true_lightness: Tensor
    """(N, 1, H, W): the photo's own lightness before augmentation; belongs to the target's colours."""
    scene_classes: Tensor
    """(N, 5), int64."""
    scene_probabilities: Tensor
    """(N, 5), summing to 1."""
    classes: Tensor
    """(N, H, W), uint8: what each pixel shows; `UNLABELLED` where no segmentation map says it."""


class SceneLabels:
    """Soft scene labels by photo id.

    Args:
        path: The stage's ``scene_probs.parquet``.

    Raises:
        ArtifactError: The file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise ArtifactError(f"{path} cannot be read; run the stage scene_probs first ({error})") from error
        self.path = path
        self._row = {id: row for row, id in enumerate(table["id"].to_pylist())}
        classes, probabilities = (table[name].combine_chunks().flatten() for name in ("classes", "probabilities"))
        self._classes = torch.tensor(classes.to_numpy(), dtype=torch.int64).view(-1, 5)
        self._probabilities = torch.tensor(probabilities.to_numpy()).view(-1, 5)

    def __getitem__(self, id: str) -> tuple[Tensor, Tensor]:
        try:
            row = self._row[id]
        except KeyError as error:
            raise ArtifactError(f"{self.path} has no photo {id}; run the stage scene_probs again") from error
        return self._classes[row], self._probabilities[row]


class ColorDataset(Dataset[Batch]):
    """Photos of one split, ready for the network.

    Training photos are augmented; what happens to a photo depends on the seed, the epoch, its id and which of its
    copies it is, so neither the number of workers nor a resume changes it.

    Args:
        photos: The photos.
        scenes: Their soft labels.
        size: Side of the square crops, in pixels.
        augment: How to augment; without it, photos are cropped at the centre.
        seed: Of the augmentation.
        maps: Read the segmentation maps of those photos that have one.
        copies: How often each photo is in the set; every copy is augmented in its own way. Without it, once.
    """

    def __init__(
        self,
        photos: PhotoDataset,
        scenes: SceneLabels,
        size: int,
        augment: AugmentParams | None = None,
        seed: int = 0,
        maps: bool = False,
        copies: Sequence[int] | npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.photos, self.scenes, self.size, self.seed, self.maps = photos, scenes, size, seed, maps
        self.geometry = training_geometry(augment, size) if augment else None
        self.lightness = training_lightness(augment) if augment else None
        self._ids = photos.ids
        counts = np.ones(len(photos), np.int64) if copies is None else np.asarray(copies)
        self._photo = np.repeat(np.arange(len(photos)), counts)
        self._copy = np.arange(len(self._photo)) - np.repeat(np.cumsum(counts) - counts, counts)
        self._epoch: Tensor = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def set_epoch(self, epoch: int) -> None:
        """Tells all workers which epoch it is; also between epochs of workers that live on."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self._photo)

    def __getitem__(self, index: int) -> Batch:
        photo, copy = int(self._photo[index]), int(self._copy[index])
        id = self._ids[photo]
        rgb = decode_rgb(self.photos.encoded(photo), name=id)
        png = self.photos.segmentation(photo) if self.maps else None
        classes = np.full((self.size, self.size), UNLABELLED, np.uint8)
        if self.geometry is None or self.lightness is None:
            lab = rgb_to_lab(validation_geometry(rgb, self.size))
            seen = lab[..., :1]
            if png is not None:
                classes = validation_geometry(decode_map(png), self.size, nearest=True)
        else:
            seed = zlib.crc32(f"{self.seed}/{int(self._epoch)}/{id}/{copy}".encode())
            self.geometry.set_random_seed(seed)
            self.lightness.set_random_seed(seed)
            crop = self.geometry(image=rgb) if png is None else self.geometry(image=rgb, mask=decode_map(png))
            classes = crop.get("mask", classes)
            lab = rgb_to_lab(crop["image"])
            seen = self.lightness(image=np.clip(lab[..., :1] / 100, 0, 1))["image"].clip(0, 1) * np.float32(100)
        planes = torch.from_numpy(np.concatenate([seen, lab], axis=2).transpose(2, 0, 1).copy())
        return Batch(planes[:1], planes[2:], planes[1:2], *self.scenes[id], torch.from_numpy(classes.copy()))


def start_worker(worker: int) -> None:
    """Set-up of a loader's worker process: one thread each, so that workers and the training do not fight for cores."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
