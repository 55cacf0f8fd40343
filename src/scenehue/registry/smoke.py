"""The smoke test of a packaged model, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scenehue.registry.promotion_rule import SmokeTest
from scenehue.registry.versions import Registry, Version

_PATIENCE = 300


def smoke_test(registry: Registry, version: Version) -> SmokeTest:
    """Fetches a version's package, compares it with its digests, loads it as MLflow does, and colours pictures.

    Args:
        registry: Where the package is.
        version: Whose.

    Returns:
        The result; a package that is damaged, foreign or pickled does not pass, whatever else goes wrong raises.

    Raises:
        RegistryError: The store fails.
    """
    from scenehue.errors import ArtifactError

    try:
        package = registry.fetch(version)
    except ArtifactError as error:
        return SmokeTest(False, f"The package does not pass the smoke test: {error}.")
    return try_package(package)


def try_package(package: Path) -> SmokeTest:
    """The same for a package that is here."""
    script = Path(__file__).with_name("smoke_script.py")
    env = os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    try:
        # -I: neither this folder nor PYTHONPATH lends it any code.
        done = subprocess.run(
            [sys.executable, "-I", str(script), str(package)],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return SmokeTest(False, f"The package did not pass the smoke test within {_PATIENCE} seconds.")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return SmokeTest(False, f"The package does not pass the smoke test: {lines[-1][:500]}")
    return SmokeTest(True, f"The package passes the smoke test: {done.stdout.strip().splitlines()[-1]}.")
