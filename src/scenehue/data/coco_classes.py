"""The classes of COCO-Stuff's pixel maps: their names, and COCO's panoptic ids among them.

A pixel of the maps (``stuffthingmaps``) holds a COCO id less 1: 0 to 90 for things, 91 to 181 for stuff, `UNLABELLED`
for neither. Eleven of the things occur in no map. That leaves 80 things and 91 stuffs, which with "unlabelled" are the
172 classes of Caesar et al., "COCO-Stuff" (2018). The table is ``coco_classes.csv``, beside this module.

COCO's panoptic task has ids of its own for stuff that it merged (184 to 200); such an id stands here for the most
general of the merged classes, as in tree-merged for tree, branch, bush and leaves.
"""

from __future__ import annotations

import csv
import importlib.resources

import numpy as np
import numpy.typing as npt

UNLABELLED = 255
"""A pixel that belongs to no class."""

_TABLE = importlib.resources.files("scenehue.data").joinpath("coco_classes.csv").read_text(encoding="utf-8")
_ROWS = list(csv.DictReader(_TABLE.splitlines()))

NAMES: tuple[str, ...] = tuple(row["name"] for row in _ROWS)
"""Name of each value, 0 to 181."""
USED: tuple[int, ...] = tuple(int(row["value"]) for row in _ROWS if row["kind"] != "unused")
"""The 171 values that occur."""
THINGS: frozenset[int] = frozenset(int(row["value"]) for row in _ROWS if row["kind"] == "thing")
"""Those of things, which can be counted; the others are stuff."""

_FROM_PANOPTIC = np.full(256, UNLABELLED, np.uint8)
for _row in _ROWS:
    if _row["panoptic"]:
        _FROM_PANOPTIC[int(_row["panoptic"])] = int(_row["value"])


def from_panoptic(ids: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """COCO panoptic category ids as values of COCO-Stuff's pixel maps.

    Args:
        ids: Category ids, 0 to 255, of any shape; 0 for unlabelled.

    Returns:
        Values of 0 to 181 of the same shape; `UNLABELLED` for ids that are no category's.

    Example:
        >>> from_panoptic(np.array([0, 1, 90, 92, 184, 200, 183])).tolist()
        [255, 0, 89, 91, 168, 151, 255]
        >>> NAMES[168], NAMES[151], len(USED)
        ('tree', 'rug', 171)
    """
    return _FROM_PANOPTIC[ids]
