import io
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from scenehue.color.lab import rgb_to_lab
from scenehue.data.loading import ColorDataset, SceneLabels, start_worker
from scenehue.data.shards import MANIFEST, PhotoDataset, ShardWriter
from scenehue.errors import ArtifactError
from scenehue.params import AugmentParams
from scenehue.scenes.table import write_scene_table

IDS = [f"{number:032x}" for number in range(6)]
MAPPED = IDS[:2]


def map_file() -> bytes:
    """A map of two classes, left and right, a row that is not labelled, and one with a number that is no class."""
    classes = np.full((90, 120), 7, np.uint8)
    classes[:, 60:] = 181
    classes[40], classes[41] = 255, 200
    file = io.BytesIO()
    Image.fromarray(classes).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path, sample_folder: Path) -> Path:
    rows = []
    with ShardWriter(tmp_path, "train", 1 << 20) as writer:
        for id, path in zip(IDS, sorted(sample_folder.glob("*.jpg")), strict=False):
            file = io.BytesIO()
            with Image.open(path) as photo:
                photo.resize((120, 90)).save(file, "PNG")
            shard, row = writer.add(id, file.getvalue(), map_file() if id in MAPPED else None)
            rows.append({"id": id, "split": "train", "source": 0, "path": path.name, "shard": shard, "row": row})
    pa.parquet.write_table(pa.Table.from_pylist(rows, MANIFEST), tmp_path / "manifest.parquet")
    classes = np.arange(30, dtype=np.int16).reshape(6, 5)
    probabilities = np.full((6, 5), 0.2, np.float32)
    write_scene_table(tmp_path / "scenes.parquet", IDS, classes, probabilities, ("teacher", "0" * 64))
    return tmp_path


def dataset(folder: Path, augment: AugmentParams | None = None, seed: int = 0, maps: bool = False) -> ColorDataset:
    return ColorDataset(PhotoDataset(folder, "train"), SceneLabels(folder / "scenes.parquet"), 64, augment, seed, maps)


def test_without_augmentation_it_is_the_photo(folder: Path) -> None:
    example = dataset(folder)[3]
    with Image.open(io.BytesIO(PhotoDataset(folder, "train").encoded(3))) as photo:
        square = np.asarray(photo.crop((15, 0, 105, 90)))
    lab = rgb_to_lab(square)
    assert example.lightness.shape == (1, 64, 64)
    assert example.ab.shape == (2, 64, 64)
    assert example.lightness.mean().item() == pytest.approx(lab[..., 0].mean(), abs=0.5)
    np.testing.assert_allclose(example.ab.mean((1, 2)).numpy(), lab[..., 1:].mean((0, 1)), atol=0.5)
    assert example.scene_classes.tolist() == [15, 16, 17, 18, 19]


def test_augmented_input_keeps_the_true_lightness_beside_it(folder: Path) -> None:
    example = dataset(folder, AugmentParams(lightness=0.5, noise=10))[0]
    assert not torch.equal(example.lightness, example.true_lightness)
    assert 0 <= example.lightness.min() <= example.lightness.max() <= 100


@pytest.mark.parametrize("augment", [None, AugmentParams(rotate_degrees=10)])
def test_maps_come_with_the_photos_that_have_one(folder: Path, augment: AugmentParams | None) -> None:
    photos = dataset(folder, augment, maps=True)
    mapped, unmapped = photos[0], photos[3]
    assert mapped.classes.shape == unmapped.classes.shape == (64, 64)
    assert mapped.classes.dtype == torch.uint8
    assert set(mapped.classes.unique().tolist()) <= {7, 181, 255}
    assert {7, 181} & set(mapped.classes.unique().tolist())
    assert (unmapped.classes == 255).all()
    without = dataset(folder, augment)[0]
    assert (without.classes == 255).all(), "maps are read only where they are wanted"
    assert torch.equal(mapped.lightness, without.lightness)
    if augment is None:
        assert (mapped.classes[:28, :32] == 7).all()
        assert (mapped.classes[:28, 32:] == 181).all()
        assert (mapped.classes == 255).float().mean() == pytest.approx(2 / 90, abs=0.01), "200 is no class either"


def test_follows_from_seed_epoch_and_photo_alone(folder: Path) -> None:
    augment = AugmentParams(noise=5)
    photos = dataset(folder, augment)

    def seen(workers: int, data: ColorDataset) -> torch.Tensor:
        batches = DataLoader(data, batch_size=2, num_workers=workers, worker_init_fn=start_worker)
        return torch.cat([batch.lightness for batch in batches])

    first = seen(0, photos)
    assert torch.equal(first, seen(1, photos)), "workers change nothing"
    photos.set_epoch(1)
    assert not torch.equal(first, seen(0, photos))
    assert not torch.equal(first, seen(0, dataset(folder, augment, seed=1)))
    photos.set_epoch(0)
    assert torch.equal(first, seen(0, pickle.loads(pickle.dumps(photos)))), "a copy sees the same"


def test_copies_of_a_photo_are_augmented_each_in_its_own_way(folder: Path) -> None:
    photos, scenes = PhotoDataset(folder, "train"), SceneLabels(folder / "scenes.parquet")
    once = ColorDataset(photos, scenes, 64, AugmentParams(), 3)
    more = ColorDataset(photos, scenes, 64, AugmentParams(), 3, copies=[1, 3, 1, 1, 2, 1])
    assert len(more) == 9
    first, second, third = (more[index].lightness for index in (1, 2, 3))
    assert torch.equal(first, once[1].lightness), "what a photo's first copy looks like depends on no other"
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)
    assert torch.equal(more[4].lightness, once[2].lightness)
    assert [int(more[index].scene_classes[0]) for index in range(9)] == [0, 5, 5, 5, 10, 15, 20, 20, 25]


def test_living_workers_hear_of_a_new_epoch(folder: Path) -> None:
    photos = dataset(folder, AugmentParams())
    batches = DataLoader(photos, batch_size=6, num_workers=1, persistent_workers=True)
    (first,) = batches
    photos.set_epoch(1)
    (second,) = batches
    assert not torch.equal(first.ab, second.ab)


def test_a_photo_without_label_is_named(folder: Path) -> None:
    scenes = (folder / "scenes.parquet", IDS[:2], np.zeros((2, 5), np.int16), np.full((2, 5), 0.2, np.float32))
    write_scene_table(*scenes, ("teacher", "0" * 64))
    with pytest.raises(ArtifactError, match=IDS[4]):
        dataset(folder)[4]


def test_missing_labels_are_named(folder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nothing\.parquet"):
        SceneLabels(folder / "nothing.parquet")
