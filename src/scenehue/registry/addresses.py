"""``models:/scenehue@champion`` as a local folder."""

from __future__ import annotations

import re
from pathlib import Path

from scenehue.params import Params, load_params
from scenehue.registry.connection import RegistryError
from scenehue.registry.package import MODEL
from scenehue.registry.versions import Registry


def folder_of(address: str) -> Path:
    """Fetches the model that an address names, once.

    Args:
        address: ``models:/NAME@ALIAS`` or ``models:/NAME/NUMBER``, in the registry of MLFLOW_TRACKING_URI or else
            of the params.yaml in the current folder.

    Returns:
        The folder of the model, in the cache.

    Raises:
        RegistryError: The address has another form, there is no such version, or the registry cannot be reached.
        ArtifactError: A file is not what was registered.
    """
    match = re.fullmatch(r"models:/([^/@]+)[/@]([^/@]+)", address)
    if match is None:
        raise RegistryError(f"{address!r} is no address of a model; models:/NAME@ALIAS and models:/NAME/NUMBER are")
    path = Path("params.yaml")
    params = load_params(path) if path.is_file() else Params()
    registry = Registry.open(params)
    registry.name = match[1]
    return registry.fetch(registry.get(match[2])) / MODEL
