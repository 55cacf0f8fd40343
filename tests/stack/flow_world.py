"""A small repository that the running stack's deployments are pointed at, and what a person would do with them."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.client.schemas.schedules import CronSchedule

from infra.settings import ROOT
from pipeline.repository import make_repository
from stack.local import LocalStack

MODEL = "tiny"
PARAMS: dict[str, Any] = {
    "dataset": {"splits": {"val": 0.25, "test": 0.3}},
    "train": {"epochs": 3, "learning_rate": 0.001, "losses": {"reg": 10.0, "scene": 1.0}},
    "tracking": {"uri": "sqlite:///mlflow.db"},
    "registry": {"name": MODEL},
    # Four test photographs prove little at the usual 95 %.
    "promotion": {"min_photos": 2, "confidence": 0.5, "max_latency_ratio": 100, "max_size_ratio": 100},
}


class World:
    """The stack, a source repository that people commit to, and the checkout that scheduled runs work in."""

    def __init__(self, stack: LocalStack, root: Path) -> None:
        self.stack, self.checkout = stack, root / "checkout"
        self.env = stack.env | {
            "SCENEHUE_SOURCE": str(root / "source"),
            "SCENEHUE_CHECKOUT": str(self.checkout),
            "SCENEHUE_DVC_REMOTE": f"s3://{stack.settings.stack_bucket}/tiny",
        }
        self.source = make_repository(root / "source")
        subprocess.run(["cp", "-r", str(ROOT / "flows"), str(self.source.root / "flows")], check=True)
        self.commit(**PARAMS)
        self.python("-m", "flows.deploy", cwd=ROOT)

    def commit(self, **changes: Any) -> None:
        """Changes params.yaml in the source."""
        self.source.change_params(**changes)
        self.source.run("git", "add", "--all")
        self.source.run("git", "commit", "--quiet", "--message", "changed")

    def python(self, *arguments: str, cwd: Path | None = None, check: bool = True) -> str:
        """Runs Python with the stack's addresses and keys, in the source unless told otherwise."""
        command, folder = [sys.executable, *arguments], cwd or self.source.root
        env = self.env | {"PYTHONPATH": "src"}
        done = subprocess.run(command, cwd=folder, env=env, text=True, capture_output=True, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def client(self) -> SyncPrefectClient:
        return SyncPrefectClient(self.env["PREFECT_API_URL"], auth_string=self.env.get("PREFECT_API_AUTH_STRING"))

    def start(self, name: str) -> FlowRun:
        """Like ``prefect deployment run``."""
        with self.client as client:
            deployment = client.read_deployment_by_name(f"{name}/{name}")
            return client.create_flow_run_from_deployment(deployment.id)

    def read(self, run: FlowRun | UUID) -> FlowRun:
        with self.client as client:
            return client.read_flow_run(run if isinstance(run, UUID) else run.id)

    def finished(self, run: FlowRun, seconds: float = 420) -> FlowRun:
        """The run when it has ended."""
        eventually(lambda: self.read(run).state.is_final(), seconds, lambda: f"{self.read(run).state}\n{self.log()}")
        return self.read(run)

    def schedule(self, name: str, minutes: int) -> datetime:
        """Gives a deployment a cron schedule whose next time is in so many minutes."""
        due = datetime.now(UTC) + timedelta(minutes=minutes)
        cron = CronSchedule(cron=f"{due.minute} {due.hour} * * *", timezone="UTC")
        with self.client as client:
            deployment = client.read_deployment_by_name(f"{name}/{name}")
            client.create_deployment_schedules(deployment.id, [(cron, True)])
        return due.replace(second=0, microsecond=0)

    def runs(self, name: str) -> list[FlowRun]:
        with self.client as client:
            return client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[name])))

    def tasks(self, run: FlowRun) -> list[TaskRun]:
        """The steps of a run, in order."""
        with self.client as client:
            wanted = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
            return sorted(client.read_task_runs(flow_run_filter=wanted), key=lambda task: task.created)

    def versions(self) -> list[dict[str, Any]]:
        return list(json.loads(self.python("-m", "scenehue", "models", "list", "--json")))

    def log(self) -> str:
        return "\n".join(self.stack.log("worker").splitlines()[-60:])

    def curves(self) -> list[str]:
        """The table of a training that is going on, a line for each validation."""
        tables = list(self.checkout.glob("resume/train/*/curves.csv"))
        return tables[0].read_text().splitlines()[1:] if tables else []

    def trainings(self) -> list[psutil.Process]:
        """Processes that train in the checkout."""
        found = []
        for process in psutil.process_iter(["cmdline", "cwd"]):
            words = process.info["cmdline"] or []
            if process.info["cwd"] == str(self.checkout) and words[-1:] == ["train"] and "python" in words[0]:
                found.append(process)
        return found


def eventually(condition: Callable[[], object], seconds: float, said: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, said()
        time.sleep(0.5)


def processes_of(run: FlowRun) -> list[psutil.Process]:
    """Prefect's own processes of a run that a worker has started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            of_run = process.environ().get("PREFECT__FLOW_RUN_ID") == str(run.id)
            if of_run and "prefect" in " ".join(process.cmdline()):
                found.append(process)
    assert found
    return found
