"""The files that, with a commit, a result can be repeated from; and whether the results here are theirs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from scenehue.errors import ArtifactError
from scenehue.tracking.runs import RECIPE

STAGES = ("dataset", "train", "evaluate")
"""Whose results a version takes over."""


def recipe_files(root: Path) -> list[Path]:
    """``params.yaml``, ``dvc.yaml`` and ``dvc.lock`` of a repository.

    Raises:
        ArtifactError: One is missing.
    """
    files = [root / name for name in RECIPE]
    for path in files:
        if not path.is_file():
            raise ArtifactError(f"{path} is missing, and a version cannot be rebuilt without it; run `dvc repro`")
    return files


def unlike_lock(root: Path) -> list[str]:
    """What of the results and of their parameters is not what ``dvc.lock`` speaks of.

    Returns:
        Folders such as ``artifacts/train``, and sections such as ``params.yaml: train``.

    Raises:
        ArtifactError: ``dvc.lock`` or ``params.yaml`` cannot be read.
    """
    try:
        params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
        lock = yaml.safe_load((root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
        outs = {out["path"]: out["md5"] for stage in lock.values() for out in stage.get("outs", ())}
        asked = [pair for stage in lock.values() for pair in stage.get("params", {}).get("params.yaml", {}).items()]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{root / 'dvc.lock'} cannot be used ({error!r}); run `dvc repro`") from error
    folders = [f"artifacts/{stage}" for stage in STAGES if (root / "artifacts" / stage).is_dir()]
    unlike = [folder for folder in folders if outs.get(folder) != folder_md5(root / folder)]
    return unlike + sorted({f"params.yaml: {key}" for key, value in asked if _at(params, key) != value})


def _at(tree: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def folder_md5(folder: Path) -> str:
    """What DVC knows a folder by: the MD5 of its list of files.

    Example:
        >>> import tempfile
        >>> folder_md5(Path(tempfile.mkdtemp()))
        'd751713988987e9331980363e24189ce.dir'
    """
    entries: list[dict[str, Any]] = []
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            entries.append({"md5": digest, "relpath": path.relative_to(folder).as_posix()})
    entries.sort(key=lambda entry: entry["relpath"])
    listed = json.dumps(entries, sort_keys=True)
    return hashlib.md5(listed.encode(), usedforsecurity=False).hexdigest() + ".dir"
