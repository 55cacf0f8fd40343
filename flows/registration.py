"""The network becomes a model version, and champion if the promotion rule says so.

python -m flows.registration
"""

from __future__ import annotations

from prefect import State, flow
from prefect.states import Completed

from flows import by_hand, champion, settled, tasks


@flow
def registration(allow_uncommitted: bool = False) -> State[None]:
    """Registers the trained network and applies the promotion rule; run again, it mends what was cut off.

    Args:
        allow_uncommitted: Also registers what uncommitted code has made; the version then says so.
    """
    tasks.tell_code()
    return Completed(message=register_and_judge(allow_uncommitted))


def register_and_judge(allow_uncommitted: bool) -> str:
    """The steps of a registration; the last one remembers that nothing is left to do.

    Returns:
        The outcome in a sentence.
    """
    champion.welcome_released()
    champion.compare_with_champion()
    outcome = champion.judge(champion.register(allow_uncommitted))
    settled.remember(tasks.ROOT)
    return outcome


if __name__ == "__main__":
    by_hand.run(registration)
