"""Folders of any shape are listed, and their photos read at their place."""

import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from data.photos import encode, picture, write_tar
from scenehue.data.blobs import BlobCache
from scenehue.data.listing import Entry
from scenehue.data.sources import open_sources
from scenehue.errors import ArtifactError
from scenehue.params import Source


def open_folder(root: Path, **options):
    (source,) = open_sources([Source(kind="folder", path="photos", **options)], root)
    return source


def entries(root: Path, **options) -> list[Entry]:
    return list(open_folder(root, **options).entries(BlobCache(None)))


@pytest.fixture
def root(tmp_path):
    """A folder with loose photos and tars, at several depths, and much that is no photo."""
    folder = tmp_path / "photos"
    (folder / "deep/er").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in (
        "a.JPG",
        "b.png",
        "deep/c.webp",
        "deep/er/d.tiff",
        "README.md",
        ".e.jpg",
        ".hidden/f.jpg",
        "g.jpg.txt",
    ):
        (folder / name).write_bytes(name.encode())
    write_tar(folder / "deep/x.tar", {"one.jpg": b"one", "two/three.png": b"three", "labels.txt": b""})
    return tmp_path


def test_everything_that_is_a_photo_is_listed(root):
    found = entries(root)
    assert [entry.name for entry in found] == [
        "a.JPG",
        "b.png",
        "deep/c.webp",
        "deep/er/d.tiff",
        "deep/x.tar!one.jpg",
        "deep/x.tar!two/three.png",
    ]
    assert {(entry.source, entry.kind, entry.split, entry.scene) for entry in found} == {(0, "folder", "", "")}


def test_each_photo_is_read_at_its_place(root):
    source = open_folder(root)
    read = {entry.name: source.read(entry) for entry in source.entries(BlobCache(None))}
    assert read["deep/c.webp"] == b"deep/c.webp"
    assert (read["deep/x.tar!one.jpg"], read["deep/x.tar!two/three.png"]) == (b"one", b"three")


def test_zips_are_read_in_place_too(root):
    with zipfile.ZipFile(root / "photos/deep/y.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("z/four.jpg", b"four" * 100)
    source = open_folder(root)
    read = {entry.name: source.read(entry) for entry in source.entries(BlobCache(None))}
    assert read["deep/y.zip!z/four.jpg"] == b"four" * 100
    assert len(read) == 7


def test_links_are_followed_but_not_in_circles(root):
    outside = root / "outside"
    outside.mkdir()
    (outside / "far.jpg").write_bytes(b"far")
    os.symlink(outside, root / "photos/link")
    os.symlink(root / "photos", root / "photos/deep/circle")
    os.symlink(outside / "far.jpg", root / "photos/z.jpg")
    names = [entry.name for entry in entries(root)]
    assert len(names) == 8
    assert {"link/far.jpg", "z.jpg"} < set(names)


def test_a_folder_that_cannot_be_read_is_an_error_rather_than_passed_over(root, monkeypatch):
    scandir = os.scandir

    def deny(path):
        if os.fspath(path).endswith("/deep/er"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    with pytest.raises(ArtifactError, match=r"photos/deep/er cannot be read: Permission denied"):
        entries(root)


def test_the_split_comes_from_the_label_or_else_the_source(root):
    (root / "photos/labels.csv").write_text("tar,file,scene,split\n,a.JPG,beach,test\ndeep/x.tar,one.jpg,street,\n")
    found = {entry.name: (entry.split, entry.scene) for entry in entries(root, split="val", labels="labels.csv")}
    assert found["a.JPG"] == ("test", "beach")
    assert found["deep/x.tar!one.jpg"] == ("val", "street")
    assert found["b.png"] == ("val", "")


def test_labels_that_fit_no_photo_are_an_error(root):
    (root / "photos/labels.csv").write_text("file,scene\nelsewhere/a.JPG,beach\n")
    with pytest.raises(ArtifactError, match=r"labels\.csv labels none of the photos"):
        entries(root, labels="labels.csv")


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ArtifactError, match=r"photos is no folder; correct the path of dataset\.sources\[0\]"):
        entries(tmp_path)


def test_no_photos_are_an_error(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/README.md").touch()
    write_tar(tmp_path / "photos/empty.tar", {})
    with pytest.raises(ArtifactError, match="holds no JPEG, PNG, WebP or TIFF photo"):
        entries(tmp_path)


@pytest.mark.parametrize("name", ["x.tar.gz", "X.TGZ", "x.tar.zst"])
def test_compressed_tars_are_an_error_rather_than_passed_over(root, name):
    (root / "photos/deep" / name).touch()
    with pytest.raises(ArtifactError, match=rf"{name} is compressed"):
        entries(root)


def test_a_broken_tar_is_an_error(root):
    (root / "photos/deep/x.tar").write_bytes(b"<html>" * 1000)
    with pytest.raises(ArtifactError, match=r"x\.tar is damaged"):
        entries(root)


def test_a_photo_that_has_gone_since_is_an_error(root):
    source = open_folder(root)
    first = next(source.entries(BlobCache(None)))
    (root / "photos/a.JPG").unlink()
    with pytest.raises(ArtifactError, match="run the stage sources again"):
        source.read(first)


def test_names_that_are_not_utf8(root):
    name = os.fsencode(root / "photos") + b"/\xff.jpg"
    Path(os.fsdecode(name)).write_bytes(encode(picture(1)))
    source = open_folder(root)
    (entry,) = [entry for entry in source.entries(BlobCache(None)) if "\udcff" in entry.path]
    assert source.read(entry) == encode(picture(1))


def test_tars_from_other_tools_are_read(root):
    for name, form in {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT}.items():
        folder = "f" * 90
        with tarfile.open(root / f"photos/{name}.tar", "w", format=form) as tar:
            tar.add(root / "photos/a.JPG", f"{folder}/{name}.jpg")
    source = open_folder(root)
    found = {entry.name: source.read(entry) for entry in source.entries(BlobCache(None)) if "/gnu" in entry.name}
    assert found == {f"gnu.tar!{'f' * 90}/gnu.jpg": b"a.JPG"}
    assert len(entries(root)) == 9
