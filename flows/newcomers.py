"""Photographs that arrived after a model version was made, and how well it colours them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from flows.pages import photo_ids
from scenehue.data.files import replacing_file
from scenehue.data.shards import PhotoDataset
from scenehue.evaluation.decoders import choose_decoders
from scenehue.evaluation.evaluate import evaluate_model
from scenehue.evaluation.results import Results
from scenehue.inference.onnx_backend import OnnxModel
from scenehue.models.checkpoint import CARD, ModelCard
from scenehue.params import EvaluateParams
from scenehue.registry.package import MODEL, PHOTOS
from scenehue.registry.versions import Registry, Version

_NOTES = ".dvc/tmp/scenehue-known"


class Chosen:
    """Some photographs of a data set, of whatever split, for `evaluate_model`."""

    def __init__(self, photos: PhotoDataset, ids: Iterable[str]) -> None:
        wanted = set(ids)
        self._photos = photos
        self._places = [place for place, id in enumerate(photos.ids) if id in wanted]
        self.manifest: pa.Table = photos.manifest.take(self._places)
        self.ids: Sequence[str] = self.manifest["id"].to_pylist()

    def __len__(self) -> int:
        return len(self._places)

    def encoded(self, index: int) -> bytes:
        return self._photos.encoded(self._places[index])

    def segmentation(self, index: int) -> bytes | None:
        return self._photos.segmentation(self._places[index])


def arrived_since(registry: Registry, version: Version, root: Path) -> frozenset[str]:
    """Ids of the photographs in the data set that a version cannot have seen, in training or in its evaluation.

    A version knows the photographs there were when it was made. Released weights do not: for them the photographs count
    that arrived after this was first called.

    Args:
        registry: Where the version's package is.
        version: The version.
        root: The repository, with ``artifacts/dataset``.
    """
    path, now = registry.fetch(version) / PHOTOS, photo_ids(root)
    if path.is_file():
        options = pyarrow.csv.ConvertOptions(column_types={"id": pa.string()})
        return now - frozenset(pyarrow.csv.read_csv(path, convert_options=options)["id"].to_pylist())
    note = root / _NOTES / f"{version.checkpoint[:32]}.json"
    if not note.is_file():
        note.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file(note) as partial:
            partial.write_text(json.dumps(sorted(now)))
    return now - frozenset(json.loads(note.read_text()))


def measure_on(
    registry: Registry, version: Version, ids: Iterable[str], dataset: Path, wanted: EvaluateParams
) -> Results:
    """Measures a version, as it is packaged, on some photographs of a data set.

    Args:
        registry: Where the version's package is.
        version: The version.
        ids: Of the photographs.
        dataset: Outputs of the stage ``dataset``.
        wanted: Decoders and settings.
    """
    model = registry.fetch(version) / MODEL
    decoders, missing = choose_decoders(wanted, ModelCard.model_validate_json((model / CARD).read_bytes()))
    return evaluate_model(
        OnnxModel(model / "model.onnx"),
        Chosen(PhotoDataset(dataset), ids),
        decoders,
        size=wanted.size,
        resamples=wanted.bootstrap,
        seed=wanted.seed,
        about={"checkpoint": version.checkpoint, "missing": missing},
    )
