"""Makes a model version from what the stages left, once for each checkpoint."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from scenehue.errors import ArtifactError
from scenehue.evaluation.results import Results
from scenehue.params import Params
from scenehue.registry.connection import RegistryError
from scenehue.registry.evaluations import keep_results
from scenehue.registry.files import FILES_TAG
from scenehue.registry.lock import Lock, held
from scenehue.registry.model_card import write_card
from scenehue.registry.package import CARD, PHOTOS, RECIPE_FOLDER, build_package, num_parameters
from scenehue.registry.recipe import recipe_files, unlike_lock
from scenehue.registry.versions import CHALLENGER, METRICS_TAG, PARAMETERS_TAG, Registry, Version
from scenehue.tracking.code import code_state
from scenehue.tracking.rebuild import rebuild_run
from scenehue.tracking.runs import CHECKPOINT_TAG, checkpoint_digest, code_tags, dataset_record

Push = Callable[[], object]
"""Brings DVC's data to safety; raises where it cannot."""


def register(params: Params, root: Path = Path("."), *, allow_dirty: bool = False, push: Push | None = None) -> Version:
    """Registers the model in ``artifacts/train`` and aliases it ``challenger``.

    A version appears in one transaction, after all its files are there, so none is ever half registered; a killed call
    is mended by calling again. A checkpoint that has a version gets no second one.

    Args:
        params: `tracking`, `registry` and `evaluate` are read.
        root: The repository, with ``artifacts/train``, ``artifacts/evaluate``, ``artifacts/dataset``, ``params.yaml``,
            ``dvc.yaml`` and ``dvc.lock``.
        allow_dirty: Also registers what changed code or files have made, and records which.
        push: Called before the version appears and the alias moves; what it raises stops both.

    Returns:
        The version, new or old.

    Raises:
        ArtifactError: A file is missing or damaged, or the evaluation is of another model.
        RegistryError: The code is not committed, the results are not those of ``dvc.lock``, or the store fails.
    """
    digest = checkpoint_digest(root / "artifacts/train")
    results = _results(root, digest)
    changed = _changed(root, allow_dirty)
    registry = Registry.open(params, root, create=True)
    if registry.by_checkpoint(digest) is None:
        run_id = rebuild_run(params.tracking, root)
        with tempfile.TemporaryDirectory(prefix="scenehue-register-") as folder:
            package = Path(folder) / "package"
            description = write_card(root, results)
            tags = _tags(root, digest, results, changed)
            tags[FILES_TAG] = _package(root, package, description)
            if push is not None:
                push()
            with held(registry, "registration") as lock:
                if registry.by_checkpoint(digest) is None:
                    add_version(registry, run_id, package, tags, description, lock)
    elif push is not None:
        push()
    keep_results(results, digest, root / "artifacts/dataset", params.evaluate)
    version = registry.by_checkpoint(digest)
    assert version is not None
    with registry.talking() as client:
        client.set_registered_model_alias(registry.name, CHALLENGER, str(version.number))
    return registry.get(version.number)


def add_version(
    registry: Registry, run_id: str, package: Path, tags: dict[str, str], description: str, lock: Lock
) -> None:
    """Uploads a package into a run, and then makes it a version.

    Args:
        registry: Where; the registered model is made when missing.
        run_id: The run.
        package: As `build_package` fills it.
        tags: Of the version; `CHECKPOINT_TAG` among them.
        description: In words.
        lock: Held, since two would upload to one place.
    """
    place = f"registry/{tags[CHECKPOINT_TAG][:16]}"
    with registry.talking() as client:
        try:
            client.create_registered_model(registry.name, description="Colour for black-and-white photographs.")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        if client.list_artifacts(run_id, place):  # what a killed upload left
            run = client.get_run(run_id)
            get_artifact_repository(run.info.artifact_uri, tracking_uri=registry.uri).delete_artifacts(place)
        client.log_artifacts(run_id, str(package), place)
        lock.check()
        client.create_model_version(
            registry.name, f"runs:/{run_id}/{place}", run_id, tags=tags, description=description
        )


def _results(root: Path, digest: str) -> Results:
    results = Results.load(root / "artifacts/evaluate")
    if results.about.get("checkpoint", digest) != digest:
        raise ArtifactError("artifacts/evaluate is of another model than artifacts/train; run the stage evaluate")
    return results


def _changed(root: Path, allow_dirty: bool) -> list[str]:
    """The files by which this checkout differs from a commit and its ``dvc.lock``."""
    state = code_state(root)
    if state is None and not allow_dirty:
        raise RegistryError(
            "there is no git commit here, so the version could not be rebuilt; commit the code first, or register it "
            "with --allow-dirty"
        )
    code, results = list(state.changed) if state else [], unlike_lock(root)
    if code and not allow_dirty:
        raise RegistryError(
            f"the code has changes that are not committed ({', '.join(code[:3])}{' ...' if len(code) > 3 else ''}), so "
            "the version could not be rebuilt; commit them first, or register it with --allow-dirty"
        )
    if results and not allow_dirty:
        raise RegistryError(
            f"{', '.join(results)} is not what dvc.lock speaks of, so the version could not be rebuilt; run "
            "`dvc repro`, or register it with --allow-dirty"
        )
    return code + results


def _tags(root: Path, digest: str, results: Results, changed: list[str]) -> dict[str, str]:
    data = dataset_record(root / "artifacts/dataset")
    tags = {
        **code_tags(root),
        CHECKPOINT_TAG: digest,
        METRICS_TAG: json.dumps(results.headline()),
        PARAMETERS_TAG: str(num_parameters(root / "artifacts/train/model.safetensors")),
        "scenehue.dataset": data.digest,
        "scenehue.photos": json.dumps(dict(data.profile)),
    }
    return tags | ({"scenehue.git_dirty": "true", "scenehue.git_changed": "\n".join(changed)[:5000]} if changed else {})


def _package(root: Path, package: Path, card: str) -> str:
    beside = package.with_name("beside")
    model = beside / "model"
    shutil.copytree(root / "artifacts/train", model, ignore=shutil.ignore_patterns("*.onnx"))
    (model / CARD).write_text(card, encoding="utf-8")
    manifest = pyarrow.parquet.read_table(root / "artifacts/dataset/manifest.parquet", columns=["id", "split"])
    pyarrow.csv.write_csv(manifest.sort_by("id"), beside / PHOTOS)
    attached = [(f"{RECIPE_FOLDER}/{path.name}", path) for path in recipe_files(root)]
    attached += [(PHOTOS, beside / PHOTOS), ("evaluate", root / "artifacts/evaluate")]
    attached += [
        (f"train/{path.name}", path)
        for path in sorted((root / "artifacts/train").iterdir())
        if not path.name.startswith("model.")
    ]
    try:
        return build_package(package, model, attached)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
