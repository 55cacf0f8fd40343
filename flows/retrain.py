"""All in one run: labels, training, evaluation, registration; or nothing, if nothing has changed.

python -m flows.retrain
"""

from __future__ import annotations

from prefect import State, flow
from prefect.states import Completed

from flows import by_hand, settled, tasks
from flows.registration import register_and_judge


@flow
def retrain(allow_uncommitted: bool = False) -> State[None]:
    """Brings the champion up to date with photographs, params and code.

    Args:
        allow_uncommitted: Also registers what uncommitted code has made; the version then says so.
    """
    tasks.tell_code()
    due = tasks.look_for_changes()
    if not due and settled.is_settled(tasks.ROOT):
        return Completed(message="Nothing to do: photographs, params and code are those of the last registration.")
    if due:
        tasks.say(f"Out of date: {', '.join(due)}, and what follows from them.")
        tasks.pull()
        tasks.label()
        tasks.train()
        tasks.evaluate()
    return Completed(message=register_and_judge(allow_uncommitted))


if __name__ == "__main__":
    by_hand.run(retrain)
