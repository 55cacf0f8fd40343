"""DVC's data goes to its remote before any alias points to what needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scenehue.registry.connection import RegistryError
from scenehue.tracking.store import without_secrets


def dvc_push(root: Path = Path(".")) -> bool:
    """Pushes everything that ``dvc.lock`` speaks of, if the repository has a default remote.

    Args:
        root: The repository.

    Returns:
        Whether there is a remote.

    Raises:
        RegistryError: The push failed; nothing else may happen then.
    """
    if not (root / ".dvc").is_dir() or _dvc(root, "remote", "default").returncode:
        return False
    pushed = _dvc(root, "push", "--quiet")
    if pushed.returncode:
        lines = pushed.stderr.strip().splitlines() or [f"exit code {pushed.returncode}"]
        raise RegistryError(
            f"`dvc push` failed, so no alias was moved: {without_secrets(lines[0])}; mend it and run this again"
        )
    return True


def _dvc(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
