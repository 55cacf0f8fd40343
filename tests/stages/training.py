"""What a training reads, made of a dozen photographs of the sample."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from scenehue.data.shards import PhotoDataset
from scenehue.params import Params
from scenehue.scenes.soft_labels import soft_labels
from scenehue.scenes.table import write_scene_table
from scenehue.stages import color_prior, dataset, sources

EPOCHS = 6
CONFIG: dict[str, Any] = {
    "dataset": {
        "sources": [{"kind": "folder", "path": "photos"}],
        "splits": {"val": 0.25, "test": 0},
        "short_side": 64,
    },
    "train": {
        "model": {"encoder": "unet", "width": 4, "soft_stride": 4},
        "size": 32,
        "batch_size": 2,
        "epochs": EPOCHS,
        "precision": "32",
        "learning_rate": 0.01,
    },
    "machine": {"device": "cpu", "workers": 0},
    "tracking": {"uri": None},
}


def changed(**train_params: object) -> Params:
    return Params.model_validate(CONFIG | {"train": CONFIG["train"] | train_params})


def curves(folder: Path) -> list[dict[str, str]]:
    with (folder / "curves.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def make_inputs(root: Path, sample_folder: Path) -> Path:
    """Fills a folder with the artifacts that a training reads."""
    (root / "photos").mkdir()
    for photo in sorted(sample_folder.glob("*.jpg"))[:12]:
        shutil.copy(photo, root / "photos")
    params = Params.model_validate(CONFIG)
    for stage in (sources, dataset, color_prior):
        stage.run(params, root)
    photos = PhotoDataset(root / "artifacts/dataset")
    scenes = soft_labels(np.random.default_rng(0).dirichlet(np.full(365, 0.1), len(photos)).astype(np.float32))
    (root / "artifacts/scene_probs").mkdir()
    write_scene_table(root / "artifacts/scene_probs/scene_probs.parquet", photos.ids, *scenes, ("random", "0" * 64))
    (root / "params.yaml").write_text(yaml.safe_dump(CONFIG))
    return root
