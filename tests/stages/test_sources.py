"""The stage ``sources`` on real folders."""

import csv
import shutil

import pytest

from scenehue.data import blobs
from scenehue.errors import ArtifactError
from scenehue.params import DatasetParams, Params, Source
from scenehue.stages import sources


@pytest.fixture
def root(tmp_path, sample_folder):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/sample").symlink_to(sample_folder)
    return tmp_path


def test_the_sample_is_listed(root):
    sources.run(Params(), root)
    with (root / "artifacts/sources/listing.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 103
    assert {row["kind"] for row in rows} == {"sample"}
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    assert sum(int(row["size"]) for row in rows) > 5_000_000


def test_the_same_photos_give_the_same_bytes_with_and_without_memory(root, monkeypatch):
    listing = root / "artifacts/sources/listing.csv"
    sources.run(Params(), root)
    first = listing.read_bytes()
    (root / ".dvc").mkdir()
    monkeypatch.setattr(blobs, "_SETTLED_SECONDS", -1)
    sources.run(Params(), root)
    assert (root / ".dvc/tmp/scenehue-hashes.json").is_file()
    monkeypatch.setattr(blobs, "scan", lambda path: pytest.fail(f"{path} was read again"))
    sources.run(Params(), root)
    assert listing.read_bytes() == first


def test_an_added_photo_is_one_more_row(root, sample_folder):
    mine = root / "mine"
    mine.mkdir()
    shutil.copy(sample_folder / "koala.jpg", mine / "a.jpg")
    params = Params(dataset=DatasetParams(sources=(Source(kind="folder", path="mine", split="test"),)))
    sources.run(params, root)
    listing = root / "artifacts/sources/listing.csv"
    before = listing.read_text().splitlines()
    shutil.copy(sample_folder / "pika.jpg", mine / "b.jpg")
    sources.run(params, root)
    after = listing.read_text().splitlines()
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1
    assert after[-1].startswith("0,folder,b.jpg,,0,")
    assert after[-1].endswith(",test,,,0,0,")


def test_an_error_leaves_the_old_listing(root):
    sources.run(Params(), root)
    listing = root / "artifacts/sources/listing.csv"
    before = listing.read_bytes()
    broken = (Source(kind="sample"), Source(kind="folder", path="nowhere"))
    with pytest.raises(ArtifactError, match=r"nowhere is no folder; correct the path of dataset\.sources\[1\]"):
        sources.run(Params(dataset=DatasetParams(sources=broken)), root)
    assert listing.read_bytes() == before
    assert list(listing.parent.iterdir()) == [listing]


def test_photos_that_cannot_be_read_are_named_and_the_rest_is_listed(root, sample_folder, capsys):
    mine = root / "mine"
    mine.mkdir()
    shutil.copy(sample_folder / "koala.jpg", mine / "a.jpg")
    (mine / "lost.jpg").symlink_to("nowhere.jpg")
    sources.run(Params(dataset=DatasetParams(sources=(Source(kind="folder", path="mine"),))), root)
    said = capsys.readouterr().out
    assert "'mine/lost.jpg' cannot be read" in said
    assert "a.jpg" not in said
    with (root / "artifacts/sources/listing.csv").open(newline="") as file:
        hashes = {row["path"]: row["hash"] for row in csv.DictReader(file)}
    assert list(hashes) == ["a.jpg", "lost.jpg"]
    assert hashes["a.jpg"]
    assert not hashes["lost.jpg"]
