"""Moves aliases and writes verdicts, so that a kill at any moment is mended by whoever takes the lock next.

What is about to happen is first written, as one tag of the registered model, and then done; whoever holds the lock does
what a predecessor has left undone before anything else. So nobody meets a champion whose predecessor is not known.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException

from scenehue.registry.connection import RegistryError
from scenehue.registry.lock import Lock
from scenehue.registry.promotion_rule import PROMOTED, REFUSED, Verdict
from scenehue.registry.versions import CHAMPION, PREVIOUS, VERDICT, VERDICT_TAG, Registry, Version

PENDING_TAG = "scenehue.pending"
"""Of the registered model: aliases that are just being moved, and the verdict behind it."""
PREDECESSOR_TAG = "scenehue.predecessor"
"""Of a version that was promoted: who was champion before it."""
ROLLED_BACK_TAG = "scenehue.rolled_back"
"""Of a version that was rolled back: the sentence that says so, until it is promoted again."""
NUMBERS_TAG = "scenehue.verdict_numbers"
ROLLED_BACK = "rolled back"
COLUMN = 5000
"""Characters that a description, and a registered model's tag, may have: PostgreSQL refuses longer ones."""
LONGEST = 3000
"""Characters of a verdict that are kept, which leave room for what is written beside it."""


def crown(registry: Registry, version: Version, champion: Version | None, verdict: Verdict, lock: Lock) -> None:
    """Makes a version champion and the champion previous, and writes the verdict on it; the lock must be held."""
    named = dataclasses.replace(
        verdict, challenger=version.title, champion=champion.title if champion else verdict.champion
    )
    if not named.promoted:
        write_verdict(registry, version.number, REFUSED, named.text, named.numbers)
        raise RegistryError(named.text)
    move(
        registry,
        lock,
        {
            "champion": version.number,
            "previous": champion.number if champion else None,
            "verdict": {"of": version.number, "word": PROMOTED, "text": named.text, "numbers": dict(named.numbers)},
        },
    )


def move(registry: Registry, lock: Lock, plan: Mapping[str, Any]) -> None:
    """Writes down what is to happen to the aliases, and does it.

    Args:
        registry: Where.
        lock: Held.
        plan: ``champion`` and ``previous``: numbers, the latter may be None; ``verdict``: ``of`` which version,
            ``word``, ``text`` and ``numbers``.
    """
    lock.check()
    plan = {**plan, "verdict": {**plan["verdict"], "text": shortened(plan["verdict"]["text"])}}
    with registry.talking() as client:
        client.set_registered_model_tag(registry.name, PENDING_TAG, json.dumps(plan, ensure_ascii=False))
    finish_pending(registry, lock)


def pending(registry: Registry) -> dict[str, Any] | None:
    """What `move` has written down and not finished, or None."""
    with registry.talking() as client:
        try:
            written = client.get_registered_model(registry.name).tags.get(PENDING_TAG)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            written = None
    return dict(json.loads(written)) if written else None


def finish_pending(registry: Registry, lock: Lock) -> None:
    """Does what `move` has written down and not finished; every step may be done twice.

    A plan whose versions were deleted since is dropped.
    """
    plan = pending(registry)
    if plan is None:
        return
    champion, previous, verdict = plan["champion"], plan["previous"], plan["verdict"]
    there = {version.number for version in registry.versions()}
    if not {champion, verdict["of"]} <= there:
        with registry.talking() as client:
            client.delete_registered_model_tag(registry.name, PENDING_TAG)
        return
    previous = previous if previous in there else None
    with registry.talking() as client:
        lock.check()
        client.set_registered_model_alias(registry.name, CHAMPION, str(champion))
        if previous is None:
            client.delete_registered_model_alias(registry.name, PREVIOUS)
        else:
            client.set_registered_model_alias(registry.name, PREVIOUS, str(previous))
        if verdict["word"] == ROLLED_BACK:
            sentence = verdict["text"].strip().splitlines()[-1]
            client.set_model_version_tag(registry.name, str(verdict["of"]), ROLLED_BACK_TAG, sentence)
        else:
            client.set_model_version_tag(registry.name, str(champion), PREDECESSOR_TAG, str(previous or ""))
            client.set_model_version_tag(registry.name, str(champion), ROLLED_BACK_TAG, "")
    write_verdict(registry, verdict["of"], verdict["word"], verdict["text"], verdict["numbers"])
    with registry.talking() as client:
        client.delete_registered_model_tag(registry.name, PENDING_TAG)


def write_verdict(registry: Registry, number: int, word: str, text: str, numbers: Mapping[str, Any]) -> None:
    """Writes a verdict on a version, as tags and in its description, and on its run, unless that was deleted.

    Where both are long, the card in the description gives way: the package holds it, too.
    """
    version, text = registry.get(number), shortened(text)
    card = version.description.partition(VERDICT)[0][: COLUMN - len(VERDICT) - len(text)]
    with registry.talking() as client:
        client.set_model_version_tag(registry.name, str(number), NUMBERS_TAG, json.dumps(dict(numbers)))
        client.update_model_version(registry.name, str(number), card + VERDICT + text)
        client.set_model_version_tag(registry.name, str(number), VERDICT_TAG, word)
        if version.run_id and _is_there(client, version.run_id):
            client.set_tag(version.run_id, VERDICT_TAG, word)
            client.set_tag(version.run_id, f"{VERDICT_TAG}_text", text)


def shortened(text: str, most: int = LONGEST) -> str:
    """A text of which no more than so many characters are left.

    Example:
        >>> shortened("too orange", 8)
        'too ...'
    """
    return text if len(text) <= most else f"{text[: most - 4].rstrip()} ..."


def _is_there(client: MlflowClient, run_id: str) -> bool:
    """Whether a run is neither deleted nor gone; nobody may change a deleted one."""
    try:
        return str(client.get_run(run_id).info.lifecycle_stage) == LifecycleStage.ACTIVE
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
