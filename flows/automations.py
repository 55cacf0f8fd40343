"""What watches the runs from outside: a run whose process is gone is told apart from one that is busy.

Applied by ``python -m flows.automations``, and by ``python -m flows.deploy``; doing it again changes nothing.
"""

from __future__ import annotations

from datetime import timedelta

from prefect.automations import Automation, ChangeFlowRunState, EventTrigger, Posture
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.settings import get_current_settings

DEAD_RUN = "scenehue: a run died"
_MISSED = 3


def dead_run() -> Automation:
    """Marks a run as crashed when it has given no sign of life three times in a row, and says what to do.

    Without it a run killed together with its worker would count as running for ever, and nothing else could start.
    """
    beat = get_current_settings().flows.heartbeat_frequency or 180
    ends = [f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Cancelling", "Crashed")]
    return Automation(
        name=DEAD_RUN,
        description="A run without a sign of life is marked as crashed, so that it no longer keeps others waiting.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *ends},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=_MISSED * beat),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                message=(
                    f"The run has given no sign of life for {_MISSED * beat} seconds: its process, its worker or its "
                    "machine is gone. Nothing is half registered. See that a worker is up, then start the deployment "
                    "again: a training goes on from its last validation."
                ),
            )
        ],
    )


def apply() -> None:
    """Creates the automations, or brings them up to date."""
    wanted = dead_run()
    with get_client(sync_client=True) as client:
        for old in client.read_automations_by_name(wanted.name):
            client.delete_automation(old.id)
    wanted.create()


if __name__ == "__main__":
    apply()
