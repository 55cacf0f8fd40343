"""A list of a package's files with their digests, so that nothing planted or damaged is ever loaded."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from scenehue.errors import ArtifactError

LIST = "files.json"
FILES_TAG = "scenehue.files"
"""The version's tag that holds the digest of the list, which holds the digests of the files."""
_ADDED = (LIST, "registered_model_meta")


def list_files(folder: Path) -> str:
    """Writes ``files.json`` with the sha256 of every file in a folder.

    Returns:
        The sha256 of ``files.json``.
    """
    content = json.dumps(_digests(folder), indent=0, sort_keys=True)
    (folder / LIST).write_text(content, encoding="utf-8")
    return hashlib.sha256(content.encode()).hexdigest()


def check_files(folder: Path, digest: str, what: str) -> None:
    """Compares a folder with its list, and the list with its digest.

    What Python compiled when somebody loaded the package where it lies is removed first, whoever compiled it.

    Raises:
        ArtifactError: A file is missing, foreign, or changed; the message names it.
    """
    try:
        content = (folder / LIST).read_bytes()
    except OSError as error:
        raise ArtifactError(f"{what} is incomplete: {LIST} is missing; register it anew") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise ArtifactError(f"{what} is refused: its {LIST} is not the one that was registered")
    for compiled in list(folder.rglob("__pycache__")):
        shutil.rmtree(compiled)
    listed, found = json.loads(content), _digests(folder)
    for path in sorted(listed.keys() | found.keys()):
        if path not in listed:
            raise ArtifactError(f"{what} is refused: {path} was not there when it was registered")
        if listed[path] != found.get(path):
            raise ArtifactError(f"{what} is refused: {path} is missing or not what was registered")


def _digests(folder: Path) -> dict[str, str]:
    digests = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in _ADDED:
            with path.open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests
