"""Colours test photographs with a model and measures the results, one photograph in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.progress import track

from scenehue.color.lab import lab_to_rgb, lightness, to_uint8
from scenehue.data.decode import decode_rgb
from scenehue.data.segmentation import decode_map
from scenehue.errors import ArtifactError
from scenehue.evaluation.class_maps import count_pixels, predicted_classes
from scenehue.evaluation.colorfulness import colorfulness, colorfulness_ddcolor
from scenehue.evaluation.metrics import PHOTO_METRICS, measure, scene_hits
from scenehue.evaluation.results import GREY, Results
from scenehue.evaluation.segmentation import COUNTS
from scenehue.inference.model import ChromaModel, Decoder
from scenehue.inference.predict import predict

UInt8 = npt.NDArray[np.uint8]

SCHEMA = {
    "id": pa.string(),
    "photo": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "decoder": pa.string(),
    "truth_colorfulness": pa.float64(),
    "truth_colorfulness_ddcolor": pa.float64(),
    "scene_top1": pa.bool_(),
    "scene_top5": pa.bool_(),
}


class Photos(Protocol):
    """Encoded photographs, as `scenehue.data.shards.PhotoDataset` holds them."""

    manifest: pa.Table

    @property
    def ids(self) -> Sequence[str]: ...

    def __len__(self) -> int: ...

    def encoded(self, index: int) -> bytes: ...

    def segmentation(self, index: int) -> bytes | None: ...


def grey(photo: UInt8) -> UInt8:
    """The baseline beside every number: a photograph's own lightness and no chroma.

    Args:
        photo: (H, W, 3) uint8 sRGB.

    Returns:
        (H, W, 3) uint8 sRGB, all three channels alike.
    """
    lightness_HW = lightness(photo)
    lab = np.stack([lightness_HW, np.zeros_like(lightness_HW), np.zeros_like(lightness_HW)], axis=-1)
    return np.repeat(to_uint8(lab_to_rgb(lab)[..., 1:2]), 3, axis=-1)


def colored(
    model: ChromaModel, photo: UInt8, decoders: Sequence[Decoder], size: int | None
) -> Iterator[tuple[str, UInt8]]:
    """One photograph by the grey baseline and by each decoder, in this order, with their names."""
    yield GREY, grey(photo)
    for decoder in decoders:
        yield decoder.name, predict(model, photo, size, decoder)


def evaluate_model(
    model: ChromaModel,
    photos: Photos,
    decoders: Sequence[Decoder],
    *,
    size: int | None = None,
    scene_logits: Callable[[], npt.NDArray[np.floating]] | None = None,
    teacher: Mapping[str, int] | None = None,
    class_logits: Callable[[], npt.NDArray[np.floating]] | None = None,
    lpips: Callable[[UInt8, UInt8], float] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
) -> Results:
    """Measures a model on photographs at their own resolution, always beside the grey baseline.

    Args:
        model: The network, whatever runs it.
        photos: The photographs, in colour.
        decoders: How its predictions become colour; their names differ.
        size: Working size, in pixels; without it, the one the model was trained for.
        scene_logits: What the network's scene head said since it was asked last, if it has one; asked once for each
            photograph.
        teacher: The teacher's most probable class by photo id; photographs it lacks are left out of the scene metrics.
        class_logits: Likewise its segmentation head; photographs without a map are left out of its metrics.
        lpips: A perceptual distance, if its weights are at hand.
        resamples: Draws behind each confidence interval.
        seed: Of these draws.
        about: More to remember with the results, as JSON data.

    Returns:
        A row for each photograph and decoder.

    Raises:
        ArtifactError: There are no photographs.
    """
    if not len(photos):
        raise ArtifactError(
            "there are no test photographs to evaluate on; raise dataset.splits.test or name a test source"
        )
    rows: list[dict[str, Any]] = []
    counts: list[dict[str, Any]] = []
    names = photos.manifest["path"].to_pylist()
    for index in track(range(len(photos)), description="evaluate"):
        truth = decode_rgb(photos.encoded(index), name=names[index])
        about_photo = {
            "id": photos.ids[index],
            "photo": names[index],
            "width": truth.shape[1],
            "height": truth.shape[0],
            "truth_colorfulness": colorfulness(truth),
            "truth_colorfulness_ddcolor": colorfulness_ddcolor(truth),
        }
        measured = []
        for name, result in colored(model, truth, decoders, size):
            distance = {"lpips": lpips(truth, result)} if lpips is not None else {}
            measured.append({"decoder": name, **measure(truth, result), **distance})
        scenes = None if scene_logits is None else scene_logits()
        classes = None if class_logits is None else class_logits()
        teacher_class = (teacher or {}).get(photos.ids[index])
        if scenes is not None and teacher_class is not None:
            about_photo["scene_top1"], about_photo["scene_top5"] = scene_hits(scenes, teacher_class)
        rows += [about_photo | row for row in measured]
        if classes is not None and (png := photos.segmentation(index)) is not None:
            predicted = predicted_classes(classes, *truth.shape[:2])
            counts += [{"id": photos.ids[index], **row} for row in count_pixels(decode_map(png), predicted)]
    columns = (*SCHEMA, *PHOTO_METRICS, *(["lpips"] if lpips is not None else []))
    schema = pa.schema([(column, SCHEMA.get(column, pa.float64())) for column in columns])
    settings = {
        decoder.name: {"temperature": decoder.temperature, "saturation": decoder.saturation} for decoder in decoders
    }
    return Results(
        pa.Table.from_pylist(rows, schema),
        {
            "size": size or model.size,
            "scales": list(model.scales),
            "decoders": settings,
            "resamples": resamples,
            "seed": seed,
            **(about or {}),
        },
        None if class_logits is None else pa.Table.from_pylist(counts, COUNTS),
    )
