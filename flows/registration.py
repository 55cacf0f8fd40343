"""The network becomes a model version, and champion if the promotion rule says so.

python -m flows.registration
"""

from __future__ import annotations

from prefect import State, flow
from prefect.states import Completed

from flows import champion, settled, tasks


@flow
def registration(allow_uncommitted: bool = False) -> State[None]:
    """Registers the trained network and applies the promotion rule; run again, it mends what was cut off.

    Args:
        allow_uncommitted: Also registers what uncommitted code has made; the version then says so.
    """
    tasks.tell_code()
    champion.welcome_released()
    outcome = champion.judge(champion.register(allow_uncommitted))
    settled.remember(tasks.ROOT)
    return Completed(message=outcome)


if __name__ == "__main__":
    registration()
