"""What there is to train on: photographs, their scenes, how frequent colours are.

python -m flows.labeling
"""

from __future__ import annotations

from prefect import State, flow
from prefect.states import Completed

from flows import by_hand, tasks


@flow
def labeling() -> State[None]:
    """Fetches what is known, asks DVC for all stages before the training, and brings their results to safety."""
    tasks.tell_code()
    tasks.pull()
    new = tasks.label()
    tasks.push()
    return Completed(message=in_words(new))


def in_words(stages: list[str]) -> str:
    """Which stages gave something new.

    Example:
        >>> in_words(["sources", "dataset", "scene_probs"])
        'New results: dataset, scene_probs.'
        >>> in_words(["sources"])
        'Nothing has changed.'
    """
    new = [stage for stage in stages if stage != "sources"]
    return f"New results: {', '.join(new)}." if new else "Nothing has changed."


if __name__ == "__main__":
    by_hand.run(labeling)
