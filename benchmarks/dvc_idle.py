"""How long `dvc repro` takes when there is nothing to do and the data set has COCO's size.

    python benchmarks/dvc_idle.py [--files 34 10000]

COCO's 123,287 photographs, some 7.5 GB as they are stored, are about 32 shards of 256 MB, beside them the manifest and
the rejects. DVC knows a file that has not changed by its size and time, so that small files stand in for the shards,
and a small command for the stages'. More files show what the shards are good for.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
WRITE = """
import pathlib, sys
folder = pathlib.Path("artifacts", sys.argv[1])
folder.mkdir(parents=True)
for name in ["model.json", "model.safetensors", *map(str, range(int(sys.argv[2])))]:
    (folder / name).write_text(f"{folder} {name}")
"""


def dvc(root: Path, *arguments: str) -> tuple[float, float]:
    """Seconds of processor and of clock."""
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=root, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, os.times()
    return sum(after[2:4]) - sum(before[2:4]), wall


def make_repository(root: Path, files: int) -> None:
    """This project's own stages and their dependencies, with another command."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for name, stage in stages.items():
        stage["cmd"] = f"{sys.executable} write.py {name} {files if name == 'dataset' else 2}"
        for dep in (dep for dep in stage["deps"] if not dep.startswith("artifacts")):
            place = root / dep / "code.py" if (ROOT / dep).is_dir() else root / dep
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(dep)
    (root / "write.py").write_text(WRITE)
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    (root / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    dvc(root, "init", "--no-scm", "--quiet")
    dvc(root, "repro", "--quiet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[34, 10_000])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    table = Table("files of the stage dataset", "processor, s", "clock, s, best", "times the first")
    first = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "DVC_GLOBAL_CONFIG_DIR": scratch}
        for files in arguments.files:
            root = Path(scratch, str(files))
            root.mkdir()
            make_repository(root, files)
            times = [dvc(root, "repro", "--quiet") for _ in range(arguments.repeats)]
            processor = statistics.median(cpu for cpu, _ in times)
            first = first or processor
            best = min(wall for _, wall in times)
            table.add_row(f"{files:,}", f"{processor:.2f}", f"{best:.2f}", f"{processor / first:.1f}")
    Console().print("`dvc repro` with nothing to do", table)


if __name__ == "__main__":
    main()
