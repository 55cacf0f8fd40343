"""Applies ``prefect.yaml`` to the server that PREFECT_API_URL names: ``python -m infra.deployments``."""

from __future__ import annotations

import subprocess
import sys

import yaml

from infra.errors import StackError
from infra.settings import ROOT

PREFECT_FILE = ROOT / "prefect.yaml"


def work_pool() -> str:
    """Name of the work pool that all deployments use.

    Raises:
        StackError: They name none, or several.
    """
    deployments = yaml.safe_load(PREFECT_FILE.read_text())["deployments"]
    pools = {(deployment.get("work_pool") or {}).get("name") for deployment in deployments}
    if len(pools) != 1 or not (pool := pools.pop()):
        raise StackError(f"{PREFECT_FILE}: all deployments must name one work pool, the same for all.")
    return str(pool)


def apply() -> None:
    """Makes the work pool and the deployments, or brings them up to date."""
    prefect = (sys.executable, "-m", "prefect", "--no-prompt")
    subprocess.run((*prefect, "work-pool", "create", work_pool(), "--type", "process", "--overwrite"), check=True)
    subprocess.run((*prefect, "deploy", "--all", "--prefect-file", str(PREFECT_FILE)), check=True, cwd=ROOT)


if __name__ == "__main__":
    apply()
