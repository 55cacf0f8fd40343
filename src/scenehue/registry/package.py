"""Builds the package of a version: MLflow's model, and beside it all that says where it comes from.

::

    MLmodel, packaged_model.py, code/      an MLflow pyfunc from code, with the code that predicts
    requirements.txt                       what it needs, pinned
    artifacts/model/                       model.onnx, model.safetensors, model.json, MODEL_CARD.md
    recipe/                                params.yaml, dvc.yaml, dvc.lock
    train/, evaluate/                      what the stages measured, per photograph too
    photos.csv                             id and split of every photograph of the data set
    files.json                             sha256 of each of these files
"""

from __future__ import annotations

import io
import json
import logging
import math
import re
import shutil
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from PIL import Image

from scenehue.errors import ArtifactError
from scenehue.registry.files import list_files

MODEL = "artifacts/model"
RECIPE_FOLDER = "recipe"
PHOTOS = "photos.csv"
CARD = "MODEL_CARD.md"
_WEIGHTS = ("*.onnx", "*.safetensors", "__pycache__")


def build_package(folder: Path, model: Path, attached: Sequence[tuple[str, Path]] = ()) -> str:
    """Fills a folder with the package of a model.

    Args:
        folder: To fill; empty or missing.
        model: Folder with ``model.safetensors`` and ``model.json``, and, if it was exported already, ``model.onnx``;
            its other files are left out but for ``MODEL_CARD.md``.
        attached: More files and folders, each with its place in the package.

    Returns:
        The digest of the list of its files.

    Raises:
        ArtifactError: The model is missing or corrupt, or its export differs from it.
    """
    staging = folder.with_name(f"{folder.name}.staging")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        _collect(model, staging / "model")
        code = staging / "scenehue"
        shutil.copytree(Path(__file__).parents[1], code, ignore=shutil.ignore_patterns(*_WEIGHTS))
        logger = logging.getLogger("mlflow")
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mlflow.pyfunc.save_model(
                    folder,
                    python_model=str(Path(__file__).with_name("packaged_model.py")),
                    artifacts={"model": str(staging / "model")},
                    code_paths=[str(code)],
                    signature=signature(),
                    input_example=(pd.DataFrame({"photo": [_example()]}), {"decoder": "reg"}),
                    pip_requirements=requirements(),
                )
        finally:
            logger.setLevel(level)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    for place, path in attached:
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, target)
    return list_files(folder)


def signature() -> ModelSignature:
    """What goes in and out; a parameter left out takes the model's own value."""
    photo = Schema([ColSpec(DataType.binary, "photo")])
    options = (("decoder", "string"), ("size", "long"), ("saturation", "double"))
    return ModelSignature(photo, photo, ParamSchema([ParamSpec(name, kind, None) for name, kind in options]))


def requirements() -> list[str]:
    """What the base install needs and MLflow, pinned to the versions that are installed."""
    names = [re.split(r"[^\w.-]", entry)[0] for entry in metadata.requires("scenehue") or () if "extra ==" not in entry]
    return sorted(f"{name}=={metadata.version(name)}" for name in {*names, "mlflow", "pandas"})


def num_parameters(weights: Path) -> int:
    """Numbers in a safetensors file, counted in its header.

    Raises:
        ArtifactError: It is none.
    """
    try:
        with weights.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    except (OSError, ValueError, TypeError, KeyError, MemoryError, OverflowError) as error:
        raise ArtifactError(f"{weights} cannot be read ({error})") from error


def _collect(model: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for name in ("model.safetensors", "model.json", CARD, "model.onnx"):
        if (model / name).is_file():
            shutil.copyfile(model / name, target / name)
        elif name == "model.onnx":
            from scenehue.inference.export import export_onnx
            from scenehue.models.checkpoint import load_checkpoint

            # Full precision: what the stage evaluate measured is what the package gives.
            export_onnx(*load_checkpoint(target), target / name, half=False)
        elif name != CARD:
            raise ArtifactError(f"{model / name} is missing; run the stage train")


def _example() -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((48, 32)).save(file, "PNG")
    return file.getvalue()
