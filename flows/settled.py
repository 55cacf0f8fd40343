"""Remembers which results have been registered and judged, so that a retraining with nothing to do ends at once.

The note lies in ``.dvc/tmp`` and is written last: where it is missing, registration runs, and mends what was cut off.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from scenehue.data.files import replacing_file
from scenehue.params import load_params
from scenehue.tracking.store import tracking_uri

_NOTE = ".dvc/tmp/scenehue-registered"


def is_settled(root: Path) -> bool:
    """Whether the present results have been judged by the present rule, in the present registry."""
    note = root / _NOTE
    return note.is_file() and note.read_text() == _digest(root)


def remember(root: Path) -> None:
    """To be called when the present results have been judged."""
    with replacing_file(root / _NOTE) as partial:
        partial.write_text(_digest(root))


def _digest(root: Path) -> str:
    params = load_params(root / "params.yaml")
    where = tracking_uri(params.tracking.uri, root)
    parts = [(root / "dvc.lock").read_bytes()]
    parts += [text.encode() for text in (params.promotion.model_dump_json(), params.registry.name, str(where))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
