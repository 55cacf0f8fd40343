"""Promotes several versions at once, each in a process of its own: ``python -m registry.contest ROOT OUT NUMBER...``.

All processes are forked from one that has imported everything and talked to nothing.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
import traceback
from pathlib import Path

from scenehue.params import load_params
from scenehue.registry import candidates, promote
from scenehue.registry.promotion_rule import SmokeTest


def main(root: Path, out: Path, numbers: list[str]) -> int:
    promote.smoke_test = lambda *_: SmokeTest(True, "Not tried.")
    candidates.seconds_per_photo = lambda models: [0.1] * len(models)
    params, start = load_params(root / "params.yaml"), time.time() + 1
    children = []
    for number in numbers:
        child = os.fork()
        if not child:
            try:
                time.sleep(max(0, start - time.time()))
                verdict = promote.promote(params, root, number)
                (out / f"{number}.json").write_text(json.dumps(dataclasses.asdict(verdict), default=dict))
                os._exit(0)
            except Exception:  # noqa: BLE001 - printed, and told by the exit code
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
