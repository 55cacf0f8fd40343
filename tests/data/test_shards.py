"""Photos come back byte for byte, from any process."""

import multiprocessing
import pickle
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scenehue.data.shards import MANIFEST, PhotoDataset, ShardWriter
from scenehue.errors import ArtifactError


def photo(index: int) -> bytes:
    return bytes([index % 251]) * (500 + index)


@pytest.fixture
def folder(tmp_path):
    """700 photos of train in shards of some 200 KB, two of test."""
    rows = []
    for split, count in {"train": 700, "test": 2}.items():
        with ShardWriter(tmp_path, split, 200_000) as writer:
            for index in range(count):
                place = writer.add(f"{split}{index}", photo(index), b"map" if index == 5 else None)
                known = {"id": f"{split}{index}", "split": split, "shard": place[0], "row": place[1]}
                rows.append(dict.fromkeys(MANIFEST.names) | known)
    pq.write_table(pa.Table.from_pylist(rows, MANIFEST), tmp_path / "manifest.parquet")
    return tmp_path


def test_every_photo_comes_back(folder):
    photos = PhotoDataset(folder, "train")
    assert len(photos) == photos.manifest.num_rows == 700
    assert photos.ids == [f"train{index}" for index in range(700)]
    assert all(photos.encoded(index) == photo(index) for index in range(700))
    assert [photos.segmentation(index) for index in (4, 5)] == [None, b"map"]
    assert PhotoDataset(folder).ids[-1] == "test1"
    assert len(PhotoDataset(folder, "val")) == 0


def test_shards_are_closed_once_full(folder):
    sizes = {path.name: path.stat().st_size for path in folder.glob("*.arrow")}
    assert sorted(sizes) == ["test-00000.arrow", "train-00000.arrow", "train-00001.arrow", "train-00002.arrow"]
    assert all(200_000 < sizes[f"train-0000{i}.arrow"] < 270_000 for i in range(2))


def test_photos_are_not_held_in_memory(tmp_path):
    tracemalloc.start()
    with ShardWriter(tmp_path, "train", 1 << 40) as writer:
        for index in range(50):
            writer.add(str(index), bytes(1 << 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 << 20
    assert pa.total_allocated_bytes() < 20 << 20


def test_an_index_out_of_range_is_an_index_error(folder):
    with pytest.raises(IndexError):
        PhotoDataset(folder, "test").encoded(2)


def last(photos: PhotoDataset) -> bytes:
    return photos.encoded(len(photos) - 1)


def test_other_processes_can_read(folder):
    photos = PhotoDataset(folder, "train")
    photos.encoded(0)
    assert last(pickle.loads(pickle.dumps(photos))) == photo(699)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(last, [photos]) == photo(699)


def test_a_missing_data_set_says_what_to_do(tmp_path):
    with pytest.raises(ArtifactError, match=r"manifest\.parquet cannot be read; run the stage dataset first"):
        PhotoDataset(tmp_path, "train")


def test_a_manifest_of_another_version_says_what_to_do(tmp_path):
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "manifest.parquet")
    with pytest.raises(ArtifactError, match="run the stage dataset again"):
        PhotoDataset(tmp_path, "train")


@pytest.mark.parametrize("content", [None, b"ARROW1"])
def test_a_broken_shard_is_named(folder, content):
    shard = folder / "test-00000.arrow"
    shard.unlink() if content is None else shard.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"test-00000\.arrow cannot be read"):
        PhotoDataset(folder, "test").encoded(0)
