"""Models by name: the released one, a folder, an exported graph, or an address that another room resolves."""

from __future__ import annotations

import importlib
import importlib.resources
import importlib.util
import os
import platform
from collections.abc import Callable
from pathlib import Path

from scenehue.errors import ArtifactError, ScenehueError
from scenehue.inference.card import Card, read_card
from scenehue.inference.model import ChromaModel

RELEASED = "released"
GRAPH = "model.onnx"
WEIGHTS = "model.safetensors"
DTYPES = ("float32", "bfloat16", "float16")


def _in_registry(address: str) -> Path:
    """Asks the room that knows registries, which is not imported before."""
    try:
        registry = importlib.import_module("scenehue.registry.addresses")
    except ModuleNotFoundError as error:
        raise ScenehueError(
            f"{address} is an address in a registry, which needs {error.name}: pip install 'scenehue[track]'"
        ) from error
    folder: Path = registry.folder_of(address)
    return folder


ADDRESSES: dict[str, Callable[[str], Path]] = {"models": _in_registry}
"""How an address such as ``models:/scenehue@champion`` becomes a folder, by its part before the colon."""


def load_model(
    name: str | os.PathLike[str] = RELEASED, device: str = "auto", dtype: str = "float32", threads: int | None = None
) -> tuple[ChromaModel, Card]:
    """Loads a model, by onnxruntime where that will do and by torch where it must be.

    Args:
        name: ``released``, the folder of a model, an ONNX file, or an address whose kind is in `ADDRESSES`.
        device: ``auto`` takes a GPU if there is one and torch is installed; else ``cpu``, ``cuda``, ``cuda:1``,
            ``mps``.
        dtype: ``float32``, ``bfloat16`` or ``float16``; the latter two need torch.
        threads: Of one prediction on a CPU; as many as there are cores without a number.

    Returns:
        The model and its card.

    Raises:
        ScenehueError: There is no such model, device or precision, or a package is missing for it.
        ArtifactError: Its files are missing or corrupt.
    """
    if dtype not in DTYPES:
        raise ScenehueError(f"there is no precision {dtype!r}; choose one of {', '.join(DTYPES)}")
    path = find_model(name)
    graph = path if path.suffix == ".onnx" else path / GRAPH
    wants_torch = dtype != "float32" or (device not in ("auto", "cpu")) or not graph.is_file()
    if device == "auto" and not wants_torch and path.is_dir() and (path / WEIGHTS).is_file():
        wants_torch = _has_gpu() and importlib.util.find_spec("torch") is not None
    if not wants_torch:
        from scenehue.inference.onnx_backend import OnnxModel

        model = OnnxModel(graph, threads)
        return model, model.card
    if not (path / WEIGHTS).is_file():
        if path.is_dir() and not graph.is_file():
            raise ArtifactError(f"{path} holds neither {GRAPH} nor {WEIGHTS}; is it the folder of a model?")
        raise ScenehueError(
            f"{path} is an exported graph, which runs on the CPU in float32 only; give a folder with {WEIGHTS}"
        )
    try:
        from scenehue.inference.torch_backend import load_torch_model
    except ModuleNotFoundError as error:
        raise ScenehueError(
            f"{path} needs {error.name}, which is not installed: pip install 'scenehue[train]', or export it elsewhere"
        ) from error
    return load_torch_model(path, device, dtype, threads), read_card(path)


def find_model(name: str | os.PathLike[str]) -> Path:
    """The folder or file of a model.

    Raises:
        ScenehueError: There is none of that name.
    """
    text = os.fspath(name)
    if text == RELEASED:
        folder = Path(str(importlib.resources.files("scenehue") / "released"))
        if not (folder / GRAPH).is_file() and not (folder / WEIGHTS).is_file():
            raise ScenehueError("this installation carries no released model; name the folder of one")
        return folder
    kind = text.partition(":")[0]
    if kind in ADDRESSES:
        return ADDRESSES[kind](text)
    path = Path(text)
    if not path.exists():
        raise ScenehueError(f"there is no model {text!r}: neither a file, nor a folder, nor {RELEASED!r}")
    return path


def _has_gpu() -> bool:
    """A guess that does not need torch, whose import takes longer than a photo."""
    return os.path.exists("/dev/nvidiactl") or (platform.system() == "Darwin" and platform.machine() == "arm64")
