"""Looks what photographs there are, and prints as JSON which stages DVC finds out of date.

A process of its own, so that DVC is loaded once for both, and only here.
"""

from __future__ import annotations

import json
import sys

from dvc.exceptions import DvcException
from dvc.repo import Repo

FIRST = "sources"


def main() -> int:
    """Runs the first stage, which is quick, and asks for the state of the others.

    Returns:
        The exit status.
    """
    try:
        with Repo() as repo:
            repo.reproduce(FIRST)
            print(json.dumps(sorted(stage for stage in repo.status() if stage != FIRST)))
    except DvcException as error:
        print(f"ERROR: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
