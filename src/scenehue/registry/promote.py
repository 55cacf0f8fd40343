"""Promoting and rolling back: judged, and under one lock."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path

from scenehue.params import Params
from scenehue.registry.candidates import candidates
from scenehue.registry.connection import RegistryError
from scenehue.registry.evaluations import evaluate_version
from scenehue.registry.lock import WAIT, held
from scenehue.registry.moves import (
    LONGEST,
    NUMBERS_TAG,
    PREDECESSOR_TAG,
    ROLLED_BACK,
    ROLLED_BACK_TAG,
    crown,
    finish_pending,
    move,
    shortened,
    write_verdict,
)
from scenehue.registry.promotion_rule import REFUSED, Reason, SmokeTest, Verdict, judge
from scenehue.registry.register import Push
from scenehue.registry.smoke import smoke_test
from scenehue.registry.versions import CHALLENGER, CHAMPION, PREVIOUS, Registry, Version


def promote(
    params: Params,
    root: Path = Path("."),
    which: str | int = CHALLENGER,
    *,
    push: Push | None = None,
    again: bool = False,
    wait: float = WAIT,
) -> Verdict:
    """Judges a version, and makes it champion if the rule says so.

    Args:
        params: `tracking`, `registry`, `evaluate` and `promotion` are read.
        root: The repository; the test photographs are those in its ``artifacts/dataset``.
        which: Number or alias of the version.
        push: Called before an alias moves; what it raises stops everything.
        again: Also judges a version that was rolled back.
        wait: Seconds to wait for another promotion.

    Returns:
        The verdict; it is also written on the version and on its run.

    Raises:
        ArtifactError: The data set is missing, or a package is damaged.
        RegistryError: There is no such version, the store fails, or another promotion takes too long.
    """
    registry = Registry.open(params, root)
    version = registry.get(which)
    smoke = None
    if CHAMPION not in version.aliases:  # what takes long is done before the lock is taken
        smoke = smoke_test(registry, version)
        if smoke.passed:
            evaluate_version(registry, version, root / "artifacts/dataset", params.evaluate)
    with held(registry, wait=wait) as lock:
        finish_pending(registry, lock)
        version, champion = registry.get(version.number), registry.find(CHAMPION)
        if champion is not None and champion.number == version.number:
            return _standing(version)
        smoke = smoke or smoke_test(registry, version)
        verdict = _judged(registry, params, root, version, champion, smoke, again)
        if not verdict.promoted:
            lock.check()
            write_verdict(registry, version.number, REFUSED, verdict.text, verdict.numbers)
            return verdict
        if push is not None:
            push()
        crown(registry, version, champion, verdict, lock)
    return verdict


def rollback(params: Params, root: Path = Path("."), *, reason: str = "", wait: float = WAIT) -> Version:
    """Makes the champion's predecessor champion again, and its own predecessor ``previous``.

    The version that was rolled back is marked, so that it is not promoted again without being asked for.

    Args:
        params: `tracking` and `registry` are read.
        root: The repository.
        reason: Why, in words, for the version's page.
        wait: Seconds to wait for a promotion that is going on.

    Returns:
        The champion, as it is now.

    Raises:
        RegistryError: There is nothing to go back to, or the store fails.
    """
    registry = Registry.open(params, root)
    with held(registry, wait=wait) as lock:
        finish_pending(registry, lock)
        champion, previous = registry.find(CHAMPION), registry.find(PREVIOUS)
        if champion is None or previous is None:
            raise RegistryError(
                f"{registry.name} has no {'champion' if champion is None else 'previous'} to go back to"
            )
        before = previous.tags.get(PREDECESSOR_TAG)
        exists = any(str(version.number) == before for version in registry.versions())
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
        said = f"{champion.title.capitalize()} was rolled back to {previous.title} on {now}"
        said += f": {shortened(' '.join(reason.split()), LONGEST // 3)}" if reason.strip() else "."
        text = f"{shortened(champion.verdict_text, LONGEST - len(said) - 2)}\n{said}\n"
        move(
            registry,
            lock,
            {
                "champion": previous.number,
                "previous": int(before) if before and exists else None,
                "verdict": {"of": champion.number, "word": ROLLED_BACK, "text": text, "numbers": {}},
            },
        )
        return registry.get(CHAMPION)


def compare(
    params: Params, root: Path = Path("."), which: str | int = CHALLENGER, other: str | int = CHAMPION
) -> Verdict:
    """Says what the rule would say of a version if another one were champion; nothing is changed, and no lock taken.

    Raises:
        RegistryError: There is no such version, or the store fails.
        ArtifactError: The data set is missing, or a package is damaged.
    """
    registry = Registry.open(params, root)
    version, against = registry.get(which), registry.get(other)
    verdict = _judged(registry, params, root, version, against, smoke_test(registry, version), again=True)
    return dataclasses.replace(verdict, supposed=True)


def _judged(
    registry: Registry,
    params: Params,
    root: Path,
    version: Version,
    champion: Version | None,
    smoke: SmokeTest,
    again: bool,
) -> Verdict:
    if (sentence := version.tags.get(ROLLED_BACK_TAG)) and not again:
        why = Reason(False, f"{sentence} To judge it nevertheless, promote it with --again.")
        return Verdict(False, (why,), version.title, champion.title if champion else None)
    if not smoke.passed:
        why = Reason(False, smoke.words)
        return Verdict(False, (why,), version.title, champion.title if champion else None)
    ours, *theirs = candidates(registry, params, root, [version, *([champion] if champion else [])], smoke)
    return judge(params.promotion, ours, theirs[0] if theirs else None)


def _standing(version: Version) -> Verdict:
    """Of the champion itself: what was said when it became one."""
    why = Reason(True, "It is the champion already, so nothing was changed.")
    return Verdict(True, (why,), version.title, None, json.loads(version.tags.get(NUMBERS_TAG, "{}")))
