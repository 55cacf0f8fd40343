"""Which code a run was made with, as git knows it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

CODE = ("src", "flows", "pyproject.toml", "requirements.txt")
"""What counts as code; params.yaml, dvc.yaml and dvc.lock do not, since a run keeps them as files."""


class CodeState(NamedTuple):
    """The commit that is checked out, and the files of `CODE` that differ from it."""

    commit: str
    changed: tuple[str, ...]


def code_state(root: Path) -> CodeState | None:
    """Asks git about a repository.

    Args:
        root: Its root; `CODE` is relative to it.

    Returns:
        The state, or None where there is no git, no repository, or no commit yet.
    """
    try:
        commit = _git(root, "rev-parse", "--verify", "HEAD").strip()
        status = _git(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *CODE)
    except (OSError, subprocess.SubprocessError):
        return None
    return CodeState(commit, tuple(entry[3:] for entry in status.split("\0") if entry))


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
