"""Start-up times, as ratios in one run: the command line over bare Python, and an idle repro over a status.

    python benchmarks/startup.py

The second needs a finished pipeline (``make demo``). Targets: ``scenehue --help`` under 0.5 s, and ``dvc repro`` with
nothing to do under 2 s more than ``dvc status``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

BIN = Path(sys.executable).parent
ROUNDS = 7


def seconds(commands: dict[str, list[str]]) -> dict[str, float]:
    """Median time of each command; they take turns, so that a busy machine is busy for all."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    return {name: median(found) for name, found in times.items()}


def main() -> None:
    """Prints a table."""
    groups = [
        {
            "python -c pass": [sys.executable, "-c", "pass"],
            "scenehue --help": [str(BIN / "scenehue"), "--help"],
        }
    ]
    if Path("dvc.lock").exists() and Path("artifacts/evaluate").exists():
        groups.append({"dvc status": [str(BIN / "dvc"), "status"], "dvc repro": [str(BIN / "dvc"), "repro"]})
    table = Table("command", "seconds", "ratio", "more, s", title=f"Median of {ROUNDS} runs")
    for group in groups:
        found = seconds(group)
        base = next(iter(found.values()))
        for name, value in found.items():
            table.add_row(name, f"{value:.3f}", f"{value / base:.1f}", f"{value - base:+.3f}")
        table.add_section()
    Console().print(table)


if __name__ == "__main__":
    main()
