"""Evaluations of versions, outside of any stage, kept by what they follow from: model, photographs, settings, code."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from scenehue.data.shards import PhotoDataset
from scenehue.evaluation.results import Results
from scenehue.params import EvaluateParams
from scenehue.registry.cache import cached
from scenehue.registry.package import MODEL
from scenehue.registry.versions import Registry, Version

if TYPE_CHECKING:
    from scenehue.evaluation.evaluate import Photos

_CODE = ("color", "data/decode.py", "evaluation", "inference")


def evaluate_version(
    registry: Registry, version: Version, dataset: Path, wanted: EvaluateParams | None = None
) -> Results:
    """Measures a version on the test photographs of a data set, unless that was done before on this machine.

    Args:
        registry: Where its package is fetched from.
        version: The model; its exported graph is run, which is what production runs.
        dataset: Outputs of the stage ``dataset``.
        wanted: Decoders and settings; the defaults without it.

    Returns:
        A row for each photograph and decoder, as the stage ``evaluate`` writes them.

    Raises:
        ArtifactError: The data set is missing or has no test photographs, or the package is damaged.
        RegistryError: The package cannot be fetched.
    """
    wanted = wanted or EvaluateParams()

    def compute(folder: Path) -> None:
        measure(registry, version, PhotoDataset(dataset, "test"), wanted).save(folder)

    return Results.load(cached("evaluations", _key(version.checkpoint, dataset, wanted), compute))


def measure(registry: Registry, version: Version, photos: Photos, wanted: EvaluateParams) -> Results:
    """Measures a version, as it is packaged, on photographs.

    Args:
        registry: Where its package is fetched from.
        version: The model.
        photos: The photographs, in colour.
        wanted: Decoders and settings.
    """
    # Torch comes with these, and is not needed where the results are there.
    from scenehue.evaluation.decoders import choose_decoders
    from scenehue.evaluation.evaluate import evaluate_model
    from scenehue.evaluation.lpips import load_lpips
    from scenehue.inference.onnx_backend import OnnxModel
    from scenehue.models.checkpoint import CARD, ModelCard

    model = registry.fetch(version) / MODEL
    decoders, missing = choose_decoders(wanted, ModelCard.model_validate_json((model / CARD).read_bytes()))
    lpips, lpips_name = load_lpips()
    if lpips is None:
        missing["LPIPS"] = lpips_name
    return evaluate_model(
        OnnxModel(model / "model.onnx"),
        photos,
        decoders,
        size=wanted.size,
        lpips=lpips,
        resamples=wanted.bootstrap,
        seed=wanted.seed,
        about={"checkpoint": version.checkpoint, "missing": missing},
    )


def keep_results(results: Results, checkpoint: str, dataset: Path, wanted: EvaluateParams) -> None:
    """Spares `evaluate_version` what the stage ``evaluate`` has just measured of the same model.

    Results of other photographs than the data set's are not kept.
    """
    if set(results.ids) == set(PhotoDataset(dataset, "test").ids):
        cached("evaluations", _key(checkpoint, dataset, wanted), results.save)


def _key(checkpoint: str, dataset: Path, wanted: EvaluateParams) -> str:
    photos = sorted(PhotoDataset(dataset, "test").ids)
    settings = wanted.model_dump(mode="json", exclude={"sheet_photos"})
    follows_from = json.dumps([checkpoint, photos, settings, _code_digest()], sort_keys=True)
    return hashlib.sha256(follows_from.encode()).hexdigest()


@functools.cache
def _code_digest() -> str:
    """Of the code that colours and measures: a change of it makes older results incomparable."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for name in _CODE:
        for path in sorted([package / name] if (package / name).is_file() else (package / name).glob("*.py")):
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
