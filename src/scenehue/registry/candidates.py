"""All that the promotion rule wants to know of versions, measured here."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

from scenehue.params import Params
from scenehue.registry.evaluations import evaluate_version
from scenehue.registry.latency import seconds_per_photo
from scenehue.registry.package import MODEL, PHOTOS
from scenehue.registry.promotion_rule import Candidate, SmokeTest
from scenehue.registry.versions import PARAMETERS_TAG, Registry, Version


def candidate(
    registry: Registry, version: Version, params: Params, dataset: Path, smoke: SmokeTest | None = None
) -> Candidate:
    """All that the rule wants to know of a version, but its speed.

    Args:
        registry: Where it is.
        version: Which.
        params: `evaluate` is read.
        dataset: Outputs of the stage ``dataset``.
        smoke: Of its package; a champion's is not asked for.
    """
    results = evaluate_version(registry, version, dataset, params.evaluate)
    return Candidate(
        name=version.title,
        checkpoint=version.checkpoint,
        results=results,
        seen=seen_photos(registry, version),
        parameters=int(version.tags[PARAMETERS_TAG]),
        smoke=smoke or SmokeTest(True, "The package was not tried."),
    )


def seen_photos(registry: Registry, version: Version) -> frozenset[str]:
    """Ids of the photographs that a version was trained or chosen on; none where it does not say."""
    return frozenset(id for id, split in (listed_photos(registry, version) or {}).items() if split != "test")


def listed_photos(registry: Registry, version: Version) -> dict[str, str] | None:
    """Id and split of each photograph of the data set that a version was made with; None where it does not say."""
    path = registry.fetch(version) / PHOTOS
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        return {row["id"]: row["split"] for row in csv.DictReader(file)}


def candidates(
    registry: Registry, params: Params, root: Path, versions: list[Version], smoke: SmokeTest
) -> list[Candidate]:
    """Candidates of which the first is the challenger, measured in turn on this machine."""
    found = [
        candidate(registry, version, params, root / "artifacts/dataset", smoke if index == 0 else None)
        for index, version in enumerate(versions)
    ]
    times = seconds_per_photo([registry.fetch(version) / MODEL for version in versions]) if len(versions) > 1 else []
    for index, seconds in enumerate(times):
        found[index] = dataclasses.replace(found[index], seconds=seconds)
    return found
