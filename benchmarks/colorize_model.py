"""The model that the benchmarks of colorizing run: the released one, or random weights where there is none."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from scenehue.errors import ScenehueError
from scenehue.inference.loading import find_model


def model_folder() -> Path:
    """Folder of the released model; without one, of a network with random weights, made in a few seconds."""
    try:
        return find_model("released")
    except ScenehueError:
        print("no released model: random weights in the default architecture", file=sys.stderr)
        folder = tempfile.mkdtemp(prefix="scenehue-")
        # In a process of its own: what is measured afterwards is to be free of torch.
        subprocess.run([sys.executable, __file__, folder], check=True)
        return Path(folder)


def random_model(folder: Path, **architecture: object) -> Path:
    """Writes and exports a network with random weights."""
    import torch

    from scenehue.inference.export import export_onnx
    from scenehue.models.checkpoint import ModelCard, save_checkpoint
    from scenehue.models.network import ColorNet
    from scenehue.params import ModelParams

    torch.manual_seed(0)
    config = ModelParams.model_validate({"pretrained": False, **architecture})
    net, card = ColorNet(config).eval(), ModelCard(architecture=config, size=256)
    save_checkpoint(folder, net, card)
    export_onnx(net, card, folder / "model.onnx")
    return folder


def table(rows: list[tuple[str, str, str]], head: tuple[str, str, str] = ("what", "measured", "ratio")) -> None:
    """Prints rows of text in columns."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(3)]
    for row in (head, tuple("-" * width for width in widths), *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Writes a network with random weights.")
    parser.add_argument("folder", type=Path)
    random_model(parser.parse_args().folder)
