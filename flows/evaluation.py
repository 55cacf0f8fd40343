"""How good the network is, beside grey and beside the champion.

python -m flows.evaluation
"""

from __future__ import annotations

from prefect import State, flow
from prefect.states import Completed

from flows import by_hand, champion, tasks
from flows.labeling import in_words


@flow
def evaluation() -> State[None]:
    """Asks DVC for the evaluation, and then evaluates the champion on the same photographs."""
    tasks.tell_code()
    new = tasks.evaluate()
    champion.compare_with_champion()
    return Completed(message=in_words(new))


if __name__ == "__main__":
    by_hand.run(evaluation)
