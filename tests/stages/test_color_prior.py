from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scenehue.color.bins import ab_bins
from scenehue.color.lab import rgb_to_lab
from scenehue.errors import ArtifactError
from scenehue.params import Params
from scenehue.stages import color_prior, dataset, sources

CONFIG = {
    "dataset": {
        "sources": [
            {"kind": "folder", "path": "photos", "split": "train"},
            {"kind": "folder", "path": "tests", "split": "test"},
        ],
        "short_side": 64,
        "min_side": 16,
    },
    "machine": {"workers": 0},
}


def textured(color: tuple[int, int, int], seed: int) -> Image.Image:
    """A photo of one colour with a pattern of its own, so that it is nobody's duplicate."""
    pattern = np.random.default_rng(seed).integers(0, 2, (8, 8, 1)).repeat(8, 0).repeat(8, 1)
    return Image.fromarray(np.where(pattern, np.array(color), np.array(color) // 2).astype(np.uint8))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder, color, seeds in (("photos", (200, 40, 40), (1, 2)), ("tests", (40, 60, 200), (3,))):
        (tmp_path / folder).mkdir()
        for seed in seeds:
            textured(color, seed).save(tmp_path / folder / f"{seed}.png")
    params = Params.model_validate(CONFIG)
    sources.run(params, tmp_path)
    dataset.run(params, tmp_path)
    return tmp_path


def test_counts_training_photos_only(root: Path) -> None:
    color_prior.run(Params.model_validate(CONFIG), root)
    with np.load(root / "artifacts/color_prior/color_prior.npz") as file:
        prior, weights, bins = file["prior"], file["weights"], file["bins"]
    assert np.array_equal(bins, ab_bins())
    assert prior.sum() == pytest.approx(1)
    assert (prior * weights).sum() == pytest.approx(1)
    for color, is_there in (((200, 40, 40), True), ((40, 60, 200), False)):
        near = np.abs(bins - rgb_to_lab(np.array(color, np.uint8))[1:]).max(1) <= 12
        assert (prior[near].sum() > 0.3) == is_there
    with Image.open(root / "artifacts/color_prior/color_prior.png") as plot:
        assert plot.width > 800


def test_same_bytes_with_any_number_of_workers(root: Path) -> None:
    contents = []
    for workers in (0, 2):
        color_prior.run(Params.model_validate(CONFIG | {"machine": {"workers": workers}}), root)
        contents.append((root / "artifacts/color_prior/color_prior.npz").read_bytes())
    assert contents[0] == contents[1]


def test_without_a_data_set_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="run the stage dataset"):
        color_prior.run(Params.model_validate(CONFIG), tmp_path)
