"""prefect.yaml names what there is."""

import importlib
from pathlib import Path

import yaml
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule

from flows.automations import TAG
from flows.deploy import POOL

FILE = Path(__file__).parents[2] / "prefect.yaml"


def test_each_deployment_names_a_flow_a_schedule_that_can_be_read_and_the_one_pool() -> None:
    deployments = yaml.safe_load(FILE.read_text())["deployments"]
    assert {"labeling", "retrain", "monitoring"} <= {one["name"] for one in deployments}
    for one in deployments:
        module, _, name = one["entrypoint"].rpartition(".")
        flow = getattr(importlib.import_module(module), name)
        assert isinstance(flow, Flow)
        assert flow.name == one["name"]
        assert one["tags"] == [TAG], "else nobody notices when it dies"
        assert one["work_pool"] == {"name": POOL}
        for schedule in one.get("schedules", []):
            CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
