"""Prefect: when and where the stages run, with retries, schedules, one at a time, and all of it to be seen.

A flow asks DVC for a stage and never re-implements one; nothing outside of this folder knows Prefect.
"""

import sys
from pathlib import Path

# The package of the same checkout, not the one that is installed: a scheduled run works in a checkout of its own.
sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
