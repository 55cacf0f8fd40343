"""What all tests share: nothing reports to anyone, and nothing of the caller's environment leaks in."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from scenehue.cli import NO_REPORTING

os.environ.update(NO_REPORTING)
os.environ.setdefault("OMP_NUM_THREADS", "1")
for name in (
    "DVC_ROOT",
    "DVC_EXP_NAME",
    "DVC_EXP_BASELINE_REV",
    "DVC_STAGE",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_RUN_ID",
    "FORCE_COLOR",
):
    os.environ.pop(name, None)

# Examples are drawn the same way every time, and a loaded machine fails no test.
settings.register_profile("scenehue", deadline=None, derandomize=True)
settings.load_profile("scenehue")


@pytest.fixture(scope="session")
def sample_folder() -> Path:
    """The photographs that ship with the project."""
    return Path(__file__).parents[1] / "data/sample"
