"""The recipe of a version, back into a clone, so that DVC pulls or rebuilds what it was made with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from scenehue.data.files import replacing_file
from scenehue.params import Params
from scenehue.registry.connection import RegistryError
from scenehue.registry.package import RECIPE_FOLDER
from scenehue.registry.versions import Registry, Version
from scenehue.tracking.code import code_state
from scenehue.tracking.runs import RECIPE


def restore(params: Params, root: Path = Path("."), which: str | int = "champion") -> Version:
    """Writes ``params.yaml``, ``dvc.yaml`` and ``dvc.lock`` of a version into a clone; ``dvc pull`` then works.

    Args:
        params: `tracking` and `registry` are read.
        root: The clone, with the commit checked out that the version was made with, and nothing changed.
        which: Number or alias of the version.

    Returns:
        The version.

    Raises:
        RegistryError: Another commit is checked out, files are changed, or the version has no recipe; the message says
            what to type.
    """
    registry = Registry.open(params, root)
    version = registry.get(which)
    recipe = registry.fetch(version) / RECIPE_FOLDER
    if not recipe.is_dir():
        raise RegistryError(
            f"{version.title} holds the released weights, which ship with the project and have no recipe"
        )
    state = code_state(root)
    if state is None:
        raise RegistryError(f"{root.resolve()} is no clone of the project's repository")
    if version.commit and state.commit != version.commit:
        raise RegistryError(
            f"{version.title} was made with another commit than the one checked out here: type "
            f"`git checkout {version.commit}`, and run this again"
        )
    changed = [*state.changed, *_changed_recipe(root, recipe)]
    if changed:
        raise RegistryError(
            f"files are changed here that would be mixed up with the version's ({', '.join(changed)}): type "
            "`git stash --include-untracked`, and run this again"
        )
    for name in RECIPE:
        with replacing_file(root / name) as partial:
            shutil.copyfile(recipe / name, partial)
    return version


def _changed_recipe(root: Path, recipe: Path) -> list[str]:
    """Those of the recipe's files that are neither as committed nor as the version has them."""
    changed = []
    for name in RECIPE:
        path = root / name
        if path.is_file() and path.read_bytes() != (recipe / name).read_bytes():
            command = ["git", "-C", str(root), "status", "--porcelain", "--", name]
            if subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip():
                changed.append(name)
    return changed
