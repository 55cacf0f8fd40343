"""What notices runs that died: applied again and again, since every start of the stack does that."""

import pytest
from prefect.automations import AutomationCore
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows import automations


def applied() -> dict[str, tuple[str, float]]:
    """Those of ours that the server has, with their ids and what they wait for."""
    automations.apply()
    with get_client(sync_client=True) as client:
        found = client.read_automations()
    return {one.name: (str(one.id), one.trigger.within.total_seconds()) for one in found if "scenehue" in one.name}


def test_the_order_in_which_a_server_lists_events_is_no_difference() -> None:
    for wanted in automations.wanted():
        data = wanted.model_dump(mode="json")
        for name in ("after", "expect"):
            data["trigger"][name].sort(reverse=True)
        one = automations._content(AutomationCore.model_validate(data))
        for name in ("after", "expect"):
            data["trigger"][name].sort()
        assert one == automations._content(AutomationCore.model_validate(data)) == automations._content(wanted)


@pytest.mark.usefixtures("prefect_server")
def test_what_they_know_of_runs_outlives_another_start_and_a_change_is_applied() -> None:
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30}):
        first = applied()
        assert {within for _, within in first.values()} == {90, 900}
        assert applied() == first, "an automation made anew knows of no run that was going on"
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 60}):
        changed = applied()
    assert {within for _, within in changed.values()} == {180, 900}
    assert len(changed) == len(first)
