"""Applies everything that scheduled runs need: checkout, work pool, deployments, automation.

Run it in the repository's root as ``python -m flows.deploy``; doing it again brings all up to date. Settings are
environment variables: PREFECT_API_URL names the server; SCENEHUE_CHECKOUT the folder of the runs' own checkout, a clone
of SCENEHUE_SOURCE, which is this repository unless it is set; and SCENEHUE_DVC_REMOTE, where it is set, what the runs
use as DVC's remote. Keys for that stay in the environment of the worker.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from flows import automations, checkout
from scenehue.errors import ScenehueError
from scenehue.tracking.store import without_secrets

POOL = "scenehue"
"""The work pool that all deployments in prefect.yaml name. One run at a time."""
DEFAULT_CHECKOUT = ".stack/checkout"


def deploy(root: Path) -> None:
    """Applies everything.

    Args:
        root: The repository that prefect.yaml lies in.

    Raises:
        CheckoutError: The checkout cannot be made.
        httpx.HTTPError: Prefect's server does not answer, or refuses.
        subprocess.CalledProcessError: ``dvc`` or ``prefect`` refuses; it has said why.
    """
    folder = (root / os.environ.get("SCENEHUE_CHECKOUT", DEFAULT_CHECKOUT)).resolve()
    source = os.environ.get("SCENEHUE_SOURCE") or str(root.resolve())
    checkout.create(source, folder, os.environ.get("SCENEHUE_BRANCH"))
    print(f"The runs' checkout is {folder}: the code is {checkout.update(folder)}")
    if remote := os.environ.get("SCENEHUE_DVC_REMOTE"):
        _run(folder, "-m", "dvc", "remote", "add", "--local", "--default", "--force", "storage", remote)
    os.environ["SCENEHUE_CHECKOUT"] = str(folder)
    _make_pool()
    _run(root, "-m", "prefect", "--no-prompt", "deploy", "--all")
    automations.apply()


def _make_pool() -> None:
    """Makes the work pool, or brings it up to date; one that somebody has paused stays so."""
    template = ProcessWorker.get_default_base_job_template()
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(POOL)
        except ObjectNotFound:
            client.create_work_pool(
                WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template, concurrency_limit=1)
            )
        else:
            client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template, concurrency_limit=1))


def _run(root: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], cwd=root, check=True)


def main() -> int:
    """The command line.

    Returns:
        The exit status.
    """
    try:
        deploy(Path())
    except ScenehueError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except httpx.HTTPError as error:
        print(
            f"Error: Prefect's server failed: {without_secrets(str(error))}; see that it is up, and that "
            "PREFECT_API_URL and PREFECT_API_AUTH_STRING are right",
            file=sys.stderr,
        )
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
