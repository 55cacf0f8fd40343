"""A temporary Git and DVC repository made from the project's own dvc.yaml and code, for real ``dvc`` commands."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PHOTOS = 12
"""Photographs of the sample; with the shares below, their hashes put some into every split."""
TINY: dict[str, Any] = {
    "dataset": {
        "sources": [{"kind": "folder", "path": "photos", "split": None, "labels": None}],
        "splits": {"val": 0.25, "test": 0.25},
        "short_side": 64,
    },
    "train": {
        "init_from": None,
        "model": {"encoder": "unet", "width": 4, "soft_stride": 4, "scene_context": "auxiliary"},
        "size": 32,
        "batch_size": 4,
        "epochs": 1,
        "precision": "32",
    },
    "evaluate": {"size": 64, "decoders": ["reg", "mode"], "bootstrap": 100, "sheet_photos": 2},
    "machine": {"device": "cpu", "workers": 0},
    "tracking": {"uri": None},
}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The base with the changes laid over it, section by section."""
    return base | {
        key: merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in changes.items()
    }


@dataclass(frozen=True)
class Repository:
    """A repository in a temporary folder.

    Args:
        root: The folder.
        bin: Folder of the ``scenehue`` command that the stages find.
    """

    root: Path
    bin: Path = Path(sys.executable).parent

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command in the root, as a user would."""
        env = os.environ | {
            "PATH": os.pathsep.join([str(self.bin), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        done = subprocess.run(command, cwd=self.root, env=env, text=True, capture_output=True, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def repro(self, *arguments: str) -> list[str]:
        """Stages whose command ``dvc repro`` ran, in order."""
        prefix = "> PYTHONPATH=src scenehue "
        lines = self.run("dvc", "repro", *arguments).stdout.splitlines()
        return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]

    def change_params(self, **changes: Any) -> None:
        """Lays changes over params.yaml."""
        path = self.root / "params.yaml"
        path.write_text(yaml.safe_dump(merged(yaml.safe_load(path.read_text()), changes)))


def make_repository(root: Path, bin: Path = Repository.bin) -> Repository:
    """Builds the repository, with a few photographs of the sample and `TINY` params, and commits it."""
    repository = Repository(root, bin)
    root.mkdir()
    for name in ("dvc.yaml", "params.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "photos").mkdir()
    for photo in sorted((ROOT / "data/sample").glob("*.jpg"))[:PHOTOS]:
        shutil.copy(photo, root / "photos")
    repository.change_params(**TINY)
    for command in ("git init --quiet", "dvc init --quiet", "git add --all", "git commit --quiet --message tiny"):
        repository.run(*command.split())
    return repository
