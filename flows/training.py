"""The network, trained or going on where it was stopped.

python -m flows.training
"""

from __future__ import annotations

from prefect import State, flow
from prefect.states import Completed

from flows import by_hand, tasks
from flows.labeling import in_words


@flow
def training() -> State[None]:
    """Asks DVC for the training, and shows its progress meanwhile."""
    tasks.tell_code()
    return Completed(message=in_words(tasks.train()))


if __name__ == "__main__":
    by_hand.run(training)
