"""A small repository as the stages leave it, with models whose quality is chosen: each paints everything one colour."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy
import torch
import yaml
from PIL import Image

from scenehue.color.lab import lab_to_rgb, to_uint8
from scenehue.data.shards import MANIFEST, PhotoDataset, ShardWriter
from scenehue.evaluation.evaluate import evaluate_model
from scenehue.inference.model import Decoder
from scenehue.models.checkpoint import ModelCard, save_checkpoint
from scenehue.models.network import ColorNet
from scenehue.params import ModelParams, Params
from scenehue.registry.files import list_files
from scenehue.registry.package import MODEL
from scenehue.registry.recipe import folder_md5
from scenehue.tracking.runs import checkpoint_digest

TRUTH = (8.0, 24.0)
"""The colour that all photographs have, more or less."""
SPLITS = ("train", "train", "val", *["test"] * 10)


def params_for(uri: str, **promotion: Any) -> dict[str, Any]:
    """Content of a params.yaml."""
    return {
        "train": {"model": {"encoder": "unet", "width": 4, "soft_stride": 4, "pretrained": False}, "size": 32},
        "evaluate": {"decoders": ["reg"], "bootstrap": 200},
        "tracking": {"uri": uri},
        "promotion": {"guards": [{"decoder": "reg", "metric": "ssim", "margin": 0.05}], "max_latency_ratio": 5}
        | promotion,
    }


def photograph(number: int, side: int = 48) -> bytes:
    """A picture whose colour is near `TRUTH`."""
    random = np.random.default_rng(number)
    lightness = 35 + 30 * np.abs(np.sin(np.arange(side)[:, None] / 7 + number) * np.cos(np.arange(side)[None] / 5))
    ab = np.array(TRUTH) + random.normal(0, 3, 2)
    lab = np.dstack([lightness, *(np.full((side, side), value) for value in ab)]).astype(np.float32)
    file = io.BytesIO()
    Image.fromarray(to_uint8(lab_to_rgb(lab))).save(file, "PNG")
    return file.getvalue()


def write_dataset(folder: Path, splits: tuple[str, ...] = SPLITS, first: int = 0) -> None:
    """``artifacts/dataset``, a photograph for each split."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for split in sorted(set(splits)):
        with ShardWriter(folder, split, 1 << 30) as writer:
            for number in [first + index for index, name in enumerate(splits) if name == split]:
                data = photograph(number)
                id = hashlib.sha256(data).hexdigest()[:32]
                shard, row = writer.add(id, data)
                about = {"id": id, "split": split, "source": 0, "path": f"{number}.png", "width": 48, "height": 48}
                about |= {"original_width": 48, "original_height": 48, "mean_chroma": 20.0, "scene": None}
                rows.append(about | {"has_segmentation": False, "shard": shard, "row": row})
    pq.write_table(pa.Table.from_pylist(rows, MANIFEST), folder / "manifest.parquet")


def write_model(folder: Path, quality: float, seed: int = 0) -> None:
    """A checkpoint that paints `quality` times `TRUTH`: 0 is grey, 1 is right. `seed` changes other weights only."""
    torch.manual_seed(seed)
    architecture = ModelParams(encoder="unet", width=4, soft_stride=4, pretrained=False)
    net = ColorNet(architecture).eval()
    with torch.no_grad():
        net.reg_head.weight.zero_()
        net.reg_head.bias.copy_(torch.tensor([math.atanh(quality * value / 110) for value in TRUTH]))
    provenance = {"params": {"epochs": 1, "losses": {"reg": 10, "soft": 1, "scene": 0}}}
    save_checkpoint(folder, net, ModelCard(architecture=architecture, size=32, provenance=provenance))


class Painter:
    """What a network of `write_model` does, without running it.

    Args:
        quality: As there.
    """

    size = multiple = 32
    scales = (1.0,)

    def __init__(self, quality: float) -> None:
        self.ab = quality * np.array(TRUTH, np.float32)

    def chroma(self, lightness: np.ndarray, decoder: Decoder) -> np.ndarray:
        count, height, width = lightness.shape
        return np.broadcast_to(self.ab[:, None, None], (count, 2, height, width)).copy()


class Store:
    """Stands in for `build_package`: all but MLflow's own files, and the graph is not exported but given its colour.

    Args:
        graph: Of a network that `write_model` wrote.
    """

    def __init__(self, graph: Path) -> None:
        self.graph = graph

    def build_package(self, folder: Path, model: Path, attached: Sequence[tuple[str, Path]] = ()) -> str:
        shutil.copytree(model, folder / MODEL)
        bias = safetensors.numpy.load_file(model / "model.safetensors")["reg_head.bias"]
        network = onnx.load(self.graph)
        (stored,) = [tensor for tensor in network.graph.initializer if tensor.name.endswith("reg_head.bias")]
        stored.CopyFrom(onnx.numpy_helper.from_array(bias, stored.name))
        onnx.save(network, folder / MODEL / "model.onnx")
        for place, path in attached:
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, folder / place)
        return list_files(folder)


class Repository:
    """A repository with results in it.

    Args:
        root: Its folder.
        uri: Of the MLflow store.
        promotion: Changes of the promotion rule.
    """

    def __init__(self, root: Path, uri: str, **promotion: Any) -> None:
        self.root = root
        (root / "src").mkdir(parents=True)
        (root / "src/code.py").write_text("x = 1\n")
        (root / ".gitignore").write_text("/artifacts\n")
        (root / "dvc.yaml").write_text("stages: {}\n")
        self.set_params(params_for(uri, **promotion))
        write_dataset(root / "artifacts/dataset")
        self.git("init", "--quiet")
        self.commit()

    def set_params(self, content: dict[str, Any]) -> None:
        (self.root / "params.yaml").write_text(yaml.safe_dump(content))
        self.params = Params.model_validate(content)

    def git(self, *arguments: str) -> str:
        who = {f"GIT_{kind}_{what}": "a@localhost" for kind in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        env = os.environ | who | {"GIT_CONFIG_GLOBAL": os.devnull}
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a state")
        return self.git("rev-parse", "HEAD")

    def train(self, quality: float, **options: Any) -> str:
        """Leaves what the stages train and evaluate leave; gives the digest of the weights."""
        train, evaluate = self.root / "artifacts/train", self.root / "artifacts/evaluate"
        write_model(train, quality, **options)
        (train / "metrics.json").write_text(json.dumps({"val_loss": 1 - quality}))
        (train / "curves.csv").write_text("epoch,val_loss\n1,0.5\n")
        photos = PhotoDataset(self.root / "artifacts/dataset", "test")
        digest = checkpoint_digest(train)
        about = {"checkpoint": digest, "missing": {}}
        results = evaluate_model(Painter(quality), photos, [Decoder("reg")], resamples=200, about=about)
        evaluate.mkdir(exist_ok=True)
        results.save(evaluate)
        self.lock()
        return digest

    def lock(self) -> None:
        """Writes dvc.lock for the results that are there."""
        folders = [f"artifacts/{name}" for name in ("dataset", "train", "evaluate")]
        sections = yaml.safe_load((self.root / "params.yaml").read_text())
        stages = {
            Path(folder).name: {
                "cmd": "true",
                "params": {"params.yaml": {key: sections[key] for key in [Path(folder).name] if key in sections}},
                "outs": [{"path": folder, "hash": "md5", "md5": folder_md5(self.root / folder)}],
            }
            for folder in folders
        }
        (self.root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
