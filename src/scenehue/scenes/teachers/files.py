"""Where a teacher's file lies: on this machine, or at an address whose content is known by its checksum."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from scenehue.errors import ArtifactError


def file_sha256(path: Path) -> str:
    """Computes the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_weights(place: str, sha256: str | None) -> Path:
    """Finds a file by its path, or fetches it from its address.

    Args:
        place: A path or an https address.
        sha256: What the file's checksum must be; demanded for an address.

    Raises:
        ArtifactError: There is no such file, it cannot be fetched, or it has another checksum.
    """
    if "://" in place:
        if sha256 is None:
            raise ArtifactError(f"{place} is fetched only if its checksum is known; give its sha256")
        return fetch(place, sha256)
    path = Path(place)
    if not path.is_file():
        raise ArtifactError(f"{path} is missing or no file; the scene teacher is read from it")
    if sha256 is not None:
        _check(path, sha256)
    return path


def fetch(address: str, sha256: str) -> Path:
    """Downloads a file into torch's cache (``TORCH_HOME``) unless it is there; it appears only when whole and verified.

    Args:
        address: Where it is.
        sha256: Its checksum.

    Raises:
        ArtifactError: It cannot be fetched, or is another file.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / f"{sha256[:16]}-{address.rsplit('/', 1)[-1]}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(path), hash_prefix=sha256)
        except (OSError, RuntimeError, ValueError) as error:
            raise ArtifactError(f"{address} cannot be fetched: {error}") from error
    _check(path, sha256)
    return path


def _check(path: Path, sha256: str) -> None:
    found = file_sha256(path)
    if found != sha256:
        raise ArtifactError(f"{path} is not the file that was asked for: its sha256 is {found}, not {sha256}")
