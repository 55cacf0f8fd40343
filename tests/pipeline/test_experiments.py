"""The script behind ``make paper`` and ``make ablation``, in a clone where nothing has been run before."""

import sys
from pathlib import Path
from typing import Any

import yaml

from pipeline.repository import ROOT, make_repository

PLAN: dict[str, Any] = {
    "name": "try",
    "params": {"train": {"losses": {"scene": 0.5}}, "evaluate": {"decoders": ["reg"]}},
    "grid": {
        "scene": {"fused": {"train.model.scene_context": "fused"}},
        "start": {"new": {"train.init_from": None}, "old": {"train.init_from": "nowhere"}},
    },
}


def test_the_grid_becomes_a_table_beside_grey_and_what_fails_is_named(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN, sort_keys=False))
    script = ROOT / "scripts/experiments.py"
    done = repository.run(sys.executable, str(script), str(tmp_path / "plan.yaml"), "train.batch_size=3", check=False)
    table = done.stdout[done.stdout.rindex("test photographs") :]
    rows = [line.replace("│", " ").split() for line in table.splitlines() if line.startswith("│")]
    assert [row[:2] for row in rows if "reg" in row] == [["try-fused-new", "reg"]]
    assert [row[0] for row in rows if "reg" not in row] == ["truth", "grey"]
    assert done.returncode != 0
    failed = done.stderr[done.stderr.rindex("No results of") :]
    assert "try-fused-old-" in failed
    assert "-new-" not in failed
    assert "Traceback" not in done.stdout + done.stderr
    assert repository.run("git", "status", "--porcelain").stdout == "", "the working tree is as it was"
