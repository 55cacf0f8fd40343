"""The 365 scenes of Places365: their names in order, indoors or outdoors, and how SUN's names map onto them."""

from __future__ import annotations

import csv
import importlib.resources

_TABLE = (importlib.resources.files("scenehue.scenes") / "places365.csv").read_text(encoding="utf-8")
_ROWS = list(csv.DictReader(_TABLE.splitlines()))

NAMES: tuple[str, ...] = tuple(row["name"] for row in _ROWS)
"""Names in the order of the classes; a slash separates a kind of the scene, as in ``library/indoor``."""

OUTDOOR: tuple[bool, ...] = tuple(row["environment"] == "outdoor" for row in _ROWS)
"""Whether each class lies outdoors."""

NUM_SCENES = len(NAMES)

_CLASS_OF = {name: index for index, name in enumerate(NAMES)}

SUN_ALIASES: dict[str, tuple[str, ...]] = {
    "airport": ("airport_terminal", "airfield"),
    "desert": ("desert/sand", "desert/vegetation"),
    "football_stadium": ("stadium/football",),
    "garden": ("botanical_garden", "formal_garden", "japanese_garden", "topiary_garden"),
    "ice_skating": ("ice_skating_rink/indoor", "ice_skating_rink/outdoor"),
    "library": ("library/indoor", "library/outdoor"),
}
"""Scene names of the SUN database that Places365 has under another name, or divides. ``landscape`` and ``tennis_court``
are left out: Places365 has nothing that means the same."""


def scene_classes(scene: str) -> tuple[int, ...]:
    """Finds the classes that a scene's name stands for.

    Args:
        scene: A name of Places365, or one of the SUN database's.

    Returns:
        The classes that count as right for it; empty if Places365 has none.

    Example:
        >>> scene_classes("kitchen"), scene_classes("library"), scene_classes("landscape")
        ((203,), (212, 213), ())
    """
    names = (scene,) if scene in _CLASS_OF else SUN_ALIASES.get(scene, ())
    return tuple(_CLASS_OF[name] for name in names)
