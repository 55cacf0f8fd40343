"""The stage ``dataset`` on the photographs that ship with the project."""

import pytest

from scenehue.data.decode import decode_rgb
from scenehue.data.shards import PhotoDataset
from scenehue.errors import ArtifactError
from scenehue.params import MachineParams, Params
from scenehue.stages import dataset, sources

PARAMS = Params(machine=MachineParams(workers=0))


@pytest.fixture(scope="module")
def root(tmp_path_factory, sample_folder):
    """A root in which both stages have run."""
    root = tmp_path_factory.mktemp("root")
    (root / "data").mkdir()
    (root / "data/sample").symlink_to(sample_folder)
    sources.run(PARAMS, root)
    dataset.run(PARAMS, root)
    return root


def test_all_photos_of_the_sample_are_usable(root):
    splits = {split: PhotoDataset(root / "artifacts/dataset", split) for split in ("train", "val", "test")}
    assert sum(map(len, splits.values())) == 103
    assert all(len(photos) >= 5 for photos in splits.values())
    assert (root / "artifacts/dataset/rejects.csv").read_text() == "file,reason\n"
    assert len(set(PhotoDataset(root / "artifacts/dataset").ids)) == 103


def test_training_photos_have_the_short_side_and_test_photos_their_own(root, sample_folder):
    train = PhotoDataset(root / "artifacts/dataset", "train")
    for index, row in enumerate(train.manifest.to_pylist()):
        short_side = min(256, row["original_width"], row["original_height"])
        assert min(decode_rgb(train.encoded(index)).shape[:2]) == short_side
    test = PhotoDataset(root / "artifacts/dataset", "test")
    for index, path in enumerate(test.manifest["path"].to_pylist()):
        assert test.encoded(index) == (sample_folder / path).read_bytes()


def test_nothing_but_the_outputs_is_left(root):
    assert sorted(path.name for path in (root / "artifacts").iterdir()) == ["dataset", "sources"]


def test_an_error_leaves_the_old_data_set(root):
    folder = root / "artifacts/dataset"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    strict = PARAMS.model_copy(update={"dataset": PARAMS.dataset.model_copy(update={"min_side": 10_000})})
    with pytest.raises(ArtifactError, match="rejected: 103 too small"):
        dataset.run(strict, root)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_without_a_listing_the_error_says_what_to_do(tmp_path):
    with pytest.raises(ArtifactError, match="run the stage sources first"):
        dataset.run(PARAMS, tmp_path)
