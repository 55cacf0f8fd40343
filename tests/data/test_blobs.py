"""What files hold, read at its place and remembered."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from data.photos import write_tar
from scenehue.data import blobs
from scenehue.data.blobs import UNREADABLE, Blob, BlobCache, is_photo, scan
from scenehue.errors import ArtifactError


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name", ["a.jpg", "A.JPG", "a/b.jpeg", "x.png", "x.webp", "x.tif", "x.TIFF"])
def test_photos_by_name(name):
    assert is_photo(name)


@pytest.mark.parametrize("name", ["a.gif", "jpg", "a.jpg.txt", ".a.jpg", "._a.jpg", ".cache/a.jpg", "a/.b/c.png", ""])
def test_other_names(name):
    assert not is_photo(name)


def test_a_loose_file_is_one_blob(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"bytes")
    assert scan(path) == [Blob("", 0, 5, sha256(b"bytes"))]


def test_members_of_a_tar_are_found_at_their_place(tmp_path):
    members = {"./a.jpg": b"first", "deep/b.PNG": b"second" * 1000, "notes.txt": b"no photo", "._a.jpg": b"of a Mac"}
    path = write_tar(tmp_path / "x.tar", members)
    found = scan(path)
    assert [(blob.member, blob.hash) for blob in found] == [
        ("a.jpg", sha256(b"first")),
        ("deep/b.PNG", sha256(b"second" * 1000)),
    ]
    content = path.read_bytes()
    assert content[found[1].offset :][: found[1].size] == b"second" * 1000


def test_only_regular_members_count_and_nothing_is_unpacked(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"{kind.decode()}.jpg")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        outside = tarfile.TarInfo("../../outside.jpg")
        outside.size = 3
        tar.addfile(outside, io.BytesIO(b"abc"))
        inside = tarfile.TarInfo("fine.jpg")
        inside.size = 3
        tar.addfile(inside, io.BytesIO(b"abc"))
    before = sorted(tmp_path.parent.rglob("*"))
    assert [blob.member for blob in scan(path)] == ["fine.jpg"]
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_of_members_with_one_name_the_last_counts(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        for data in (b"old", b"newer"):
            member = tarfile.TarInfo("a.jpg")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    assert [blob.hash for blob in scan(path)] == [sha256(b"newer")]


@pytest.mark.parametrize("kept", [100, 700, 1500])
def test_a_truncated_tar_is_an_error_that_names_it(tmp_path, kept):
    path = write_tar(tmp_path / "x.tar", {"a.jpg": bytes(range(256)) * 8})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ArtifactError, match=r"x\.tar is (damaged|truncated)"):
        scan(path)


def test_a_compressed_tar_with_a_plain_name_is_an_error(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"), io.BytesIO())
    with pytest.raises(ArtifactError, match=r"x\.tar is damaged, or no plain tar"):
        scan(path)


@pytest.fixture
def scanned(monkeypatch):
    """The files that were really read, and a clock by which all files have long settled."""
    read = []
    monkeypatch.setattr(blobs, "scan", lambda path: read.append(path.name) or scan(path))
    monkeypatch.setattr(blobs, "_SETTLED_SECONDS", -1)
    return read


def test_unchanged_files_are_not_read_again(tmp_path, scanned):
    photo, memory = tmp_path / "a.jpg", tmp_path / "memory/hashes.json"
    photo.write_bytes(b"one")
    first = BlobCache(memory)
    expected = first.scan(photo)
    first.save()
    assert BlobCache(memory).scan(photo) == expected
    assert scanned == ["a.jpg"]


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path, scanned):
    photo, memory = tmp_path / "a.jpg", tmp_path / "hashes.json"
    photo.write_bytes(b"one")
    os.utime(photo, (1e9, 1e9))
    cache = BlobCache(memory)
    cache.scan(photo)
    cache.save()
    photo.write_bytes(b"two")
    os.utime(photo, (1e9, 1e9))
    assert BlobCache(memory).scan(photo) == [Blob("", 0, 3, sha256(b"two"))]


def test_files_that_changed_just_now_are_not_remembered(tmp_path):
    photo, memory = tmp_path / "a.jpg", tmp_path / "hashes.json"
    photo.write_bytes(b"one")
    cache = BlobCache(memory)
    cache.scan(photo)
    cache.save()
    assert not memory.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b'{"%s": [1]}', b'{"%s": [[], []]}'])
def test_a_damaged_memory_is_ignored(tmp_path, content):
    photo, memory = tmp_path / "a.jpg", tmp_path / "hashes.json"
    photo.write_bytes(b"one")
    memory.write_bytes(content.replace(b"%s", str(photo).encode()))
    assert BlobCache(memory).scan(photo) == [Blob("", 0, 3, sha256(b"one"))]


def test_a_link_to_nowhere_is_unreadable_and_not_remembered(tmp_path, scanned):
    photo, memory = tmp_path / "a.jpg", tmp_path / "hashes.json"
    photo.symlink_to("nowhere.jpg")
    cache = BlobCache(memory)
    assert cache.scan(photo) == [UNREADABLE]
    cache.save()
    assert not memory.exists()
    (tmp_path / "nowhere.jpg").write_bytes(b"found")
    assert BlobCache(memory).scan(photo) == [Blob("", 0, 5, sha256(b"found"))]


@pytest.mark.parametrize("name", ["a.jpg", "x.tar", "x.zip"])
def test_a_pipe_named_like_a_photo_or_archive_holds_nothing_up(tmp_path, name):
    path = tmp_path / name
    os.mkfifo(path)
    if name == "a.jpg":
        assert BlobCache(None).scan(path) == [UNREADABLE]
    else:
        with pytest.raises(ArtifactError, match="cannot be read: it is no file"):
            BlobCache(None).scan(path)


def test_a_device_named_like_a_photo_is_unreadable(tmp_path):
    (tmp_path / "a.jpg").symlink_to("/dev/zero")
    assert BlobCache(None).scan(tmp_path / "a.jpg") == [UNREADABLE]


def test_a_photo_without_permission_is_unreadable_and_not_remembered(tmp_path, monkeypatch, scanned):
    def deny(self, *_, **__):
        raise PermissionError(13, "Permission denied")

    photo, memory = tmp_path / "a.jpg", tmp_path / "hashes.json"
    photo.write_bytes(b"one")
    cache = BlobCache(memory)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", deny)
        assert cache.scan(photo) == [UNREADABLE]
    cache.save()
    assert not memory.exists()


def test_a_tar_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "x.tar").symlink_to("nowhere.tar")
    with pytest.raises(ArtifactError, match=r"x\.tar cannot be read: No such file"):
        BlobCache(None).scan(tmp_path / "x.tar")


def test_without_a_path_nothing_is_remembered(tmp_path, scanned):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"one")
    cache = BlobCache(None)
    cache.scan(photo)
    cache.save()
    assert list(tmp_path.iterdir()) == [photo]
