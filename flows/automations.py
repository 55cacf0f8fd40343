"""What watches the runs from outside: a run whose process is gone is told apart from one that is busy.

Applied by ``python -m flows.automations``, and by ``python -m flows.deploy``; doing it again changes nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect.automations import (
    AutomationCore,
    ChangeFlowRunState,
    EventTrigger,
    Posture,
    ResourceSpecification,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.settings import get_current_settings

TAG = "scenehue"
"""Of all deployments in prefect.yaml, and so of their runs; other people's on the same server are left alone."""
_MISSED = 3
_START_MINUTES = 15
_ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
_HEARTBEAT = "prefect.flow-run.heartbeat"
_NEXT = (
    "Nothing is half registered. See that a worker is up, then start the deployment again: stages that are done are "
    "not repeated, and a training goes on from its last validation."
)


def wanted() -> list[AutomationCore]:
    """The automations: without them, a run killed together with its worker would keep all others waiting for ever."""
    silence = timedelta(seconds=_MISSED * (get_current_settings().flows.heartbeat_frequency or 180))
    return [
        _crash(
            "a run died",
            {_HEARTBEAT},
            {_HEARTBEAT, *_ENDS},
            silence,
            f"The run has given no sign of life for {silence.seconds} seconds: its process, its worker or its machine "
            f"is gone. {_NEXT}",
        ),
        _crash(
            "a run never began",
            {"prefect.flow-run.Pending"},
            {_HEARTBEAT, "prefect.flow-run.Running", *_ENDS},
            timedelta(minutes=_START_MINUTES),
            f"A worker took the run, and it has not begun for {_START_MINUTES} minutes: the worker or its machine is "
            f"gone. {_NEXT}",
        ),
    ]


def _crash(name: str, after: set[str], expect: set[str], within: timedelta, message: str) -> AutomationCore:
    return AutomationCore(
        name=f"scenehue: {name}",
        description="It is marked as crashed, so that it no longer keeps others waiting.",
        trigger=EventTrigger(
            after=after,
            expect=expect,
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification({"prefect.resource.id": f"prefect.tag.{TAG}"}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=within,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message=message)],
    )


def apply() -> None:
    """Creates the automations, or brings them up to date.

    One that is as it should be stays, and with it what it knows of runs that were going on when their machine died.
    """
    with get_client(sync_client=True) as client:
        for automation in wanted():
            there = client.read_automations_by_name(automation.name)
            if [_content(one) for one in there] == [_content(automation)]:
                continue
            for old in there:
                client.delete_automation(old.id)
            client.create_automation(automation)


def _content(automation: AutomationCore) -> dict[str, Any]:
    """All but the ids that the server, or this process, has drawn; its sets as sets, for JSON has them in any order."""
    return automation.model_dump(exclude={"id": True, "trigger": {"id"}})


if __name__ == "__main__":
    apply()
