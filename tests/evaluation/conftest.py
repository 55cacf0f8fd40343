from __future__ import annotations

import functools
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from scenehue.inference.model import Decoder

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
NAMES = ["koala.jpg", "taj-mahal.jpg", "scarlet-macaw.jpg", "narwhals-sea.jpg"]


class WarmModel:
    """A `ChromaModel` that paints everything one colour, whose strength it takes from the decoder."""

    size = 64
    multiple = 32
    scales: tuple[float, ...] = (1.0,)

    def __init__(self, ab: tuple[float, float] = (5, 20)) -> None:
        self.ab = np.array(ab, np.float32)

    def chroma(self, lightness: np.ndarray, decoder: Decoder) -> np.ndarray:
        count, height, width = lightness.shape
        plane = np.ones((count, 2, height // 4, width // 4), np.float32)
        return plane * self.ab[:, None, None] * np.float32(decoder.saturation)


class SamplePhotos:
    """Photographs that ship with the project, made small, in the form of a stored data set."""

    def __init__(self, names: list[str] = NAMES) -> None:
        self.names = names
        self.ids = [f"{number:032x}" for number in range(len(names))]
        self.manifest = pa.table({"path": names, "source": [0] * len(names)})

    def __len__(self) -> int:
        return len(self.names)

    def encoded(self, index: int) -> bytes:
        return small_file(self.names[index])

    def segmentation(self, index: int) -> bytes | None:
        """A map of three classes in columns, an unlabelled one beside them; the last photograph has none."""
        if index == len(self.names) - 1:
            return None
        file = io.BytesIO()
        Image.fromarray(striped_map(small_file(self.names[index]))).save(file, "PNG")
        return file.getvalue()


def striped_map(photo: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(photo)) as picture:
        width, height = picture.size
    return np.repeat(np.array([[0, 105, 181, 255]], np.uint8), -(-width // 4), axis=1)[:, :width].repeat(height, axis=0)


@functools.cache
def small_file(name: str) -> bytes:
    with Image.open(SAMPLE / name) as photo:
        photo.thumbnail((160, 160))
        file = io.BytesIO()
        photo.convert("RGB").save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def photos() -> SamplePhotos:
    return SamplePhotos()


@pytest.fixture
def model() -> WarmModel:
    return WarmModel()


@pytest.fixture
def picture_pair() -> tuple[np.ndarray, np.ndarray]:
    """A photograph and a damaged copy."""
    from scenehue.data.decode import decode_rgb

    truth = decode_rgb((SAMPLE / "koala.jpg").read_bytes(), short_side=120)
    damage = np.random.default_rng(0).integers(-30, 30, truth.shape) + np.array([15, 0, -15])
    return truth, np.clip(truth.astype(int) + damage, 0, 255).astype(np.uint8)
