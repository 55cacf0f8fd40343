"""What can be seen of a training that is going on."""

import os
import time
from pathlib import Path

from flows.progress import live_curves


def table(root: Path, name: str, rows: str, age: float = 0) -> None:
    path = root / "resume/train" / name / "curves.csv"
    path.parent.mkdir(parents=True)
    path.write_text(f"epoch,val_loss\n{rows}")
    os.utime(path, (time.time() - age,) * 2)


def test_the_training_that_writes_now_is_followed_and_no_old_one(tmp_path: Path) -> None:
    since = time.time() - 10
    assert live_curves(tmp_path, since) == []
    table(tmp_path, "old", "1,0.9\n", age=100)
    assert live_curves(tmp_path, since) == []
    table(tmp_path, "stopped", "1,0.8\n", age=5)
    table(tmp_path, "running", "1,0.7\n2,0.6\n")
    assert [row["val_loss"] for row in live_curves(tmp_path, since)] == ["0.7", "0.6"]
