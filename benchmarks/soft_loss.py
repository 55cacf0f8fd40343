"""The soft loss against the dense formula with its 313-channel target, forward and backward: time and memory.

python benchmarks/soft_loss.py
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import psutil
import torch
from rich.console import Console
from rich.table import Table

from scenehue.color.encoding import soft_encode
from scenehue.training.losses import soft_loss

SHAPE = (8, 313, 112, 112)
ROUNDS = 5


def dense(logits: torch.Tensor, index: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    y = torch.zeros_like(logits).scatter_(1, index, target)
    return (weights[index[:, 0]] * -(y * torch.log_softmax(logits, dim=1)).sum(1)).mean()


class Peak(threading.Thread):
    """Watches the largest resident memory of this process, above what it has at the start."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.process, self.ended = psutil.Process(), threading.Event()
        self.start_bytes = self.largest = self.process.memory_info().rss

    def run(self) -> None:
        while not self.ended.wait(0.001):
            self.largest = max(self.largest, self.process.memory_info().rss)

    def __enter__(self) -> Peak:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()


def measure(name: str) -> None:
    """Prints the shortest time in seconds and the peak of memory in MB, of this process."""
    loss = {"dense": dense, "sparse": soft_loss}[name]
    torch.manual_seed(0)
    logits = torch.randn(SHAPE).contiguous(memory_format=torch.channels_last).requires_grad_()
    index, target = soft_encode(torch.rand(SHAPE[0], 2, *SHAPE[2:]) * 60 - 30)
    weights = torch.rand(SHAPE[1])
    times = []
    with Peak() as peak:
        for _ in range(ROUNDS):
            start = time.perf_counter()
            loss(logits, index, target, weights).backward()
            times.append(time.perf_counter() - start)
            logits.grad = None
    print(min(times), (peak.largest - peak.start_bytes) / 2**20)


def main() -> None:
    table = Table(f"soft loss, logits {SHAPE}", "seconds", "peak MB", "time", "memory")
    results = {}
    for name in ("dense", "sparse"):  # a process each, since a process's peak never falls
        command = [sys.executable, __file__, name]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        results[name] = [float(value) for value in output.split()]
        ratios = [value / reference for value, reference in zip(results[name], results["dense"], strict=True)]
        table.add_row(name, f"{results[name][0]:.2f}", f"{results[name][1]:.0f}", *(f"{ratio:.2f}" for ratio in ratios))
    Console().print(table)


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
