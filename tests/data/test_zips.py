"""Zips of every kind, read in place; hostile ones refused."""

import hashlib
import io
import stat
import zipfile

import pytest

from scenehue.data.blobs import BlobCache, read, scan
from scenehue.errors import ArtifactError

LONG = bytes(range(256)) * 40


def write_zip(path, members, method=zipfile.ZIP_DEFLATED, **options):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data, **options)
    return path


def photos(path) -> dict[str, bytes]:
    """What the listed places hold, after a look at their hashes."""
    found = {}
    for blob in scan(path):
        found[blob.member] = read(path, blob.offset, blob.size)
        assert hashlib.sha256(found[blob.member]).hexdigest() == blob.hash
    return found


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read_at_their_place(tmp_path, method):
    members = {"train2017/a.jpg": LONG, "./b.PNG": b"b", "empty.jpg": b"", "notes.txt": b"no photo", ".c.jpg": b"c"}
    path = write_zip(tmp_path / "x.zip", members, method)
    assert photos(path) == {"train2017/a.jpg": LONG, "b.PNG": b"b", "empty.jpg": b""}
    assert list(tmp_path.iterdir()) == [path]


def test_zips_written_to_a_stream_are_read(tmp_path):
    """Their members' own headers know no sizes."""

    class Stream(io.RawIOBase):
        def __init__(self):
            self.data = b""

        def writable(self):
            return True

        def write(self, data):
            self.data += bytes(data)
            return len(data)

    stream = Stream()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("a.jpg", LONG)
        file.writestr("b.jpg", LONG[::-1], zipfile.ZIP_DEFLATED)
    (tmp_path / "x.zip").write_bytes(stream.data)
    assert photos(tmp_path / "x.zip") == {"a.jpg": LONG, "b.jpg": LONG[::-1]}


def test_bytes_that_deflate_cannot_shrink_come_whole(tmp_path):
    data = hashlib.shake_128(b"seed").digest(3_000_000)
    assert photos(write_zip(tmp_path / "x.zip", {"a.jpg": data})) == {"a.jpg": data}


def test_links_folders_and_what_leads_outside_are_passed_over(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
        file.writestr("../../outside.jpg", b"abc")
        file.writestr("folder.jpg/", b"")
        file.writestr("fine.jpg", b"abc")
    assert list(photos(path)) == ["fine.jpg"]


def test_of_members_with_one_name_the_last_counts(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.jpg", b"old")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("a.jpg", b"newer")
    assert photos(path) == {"a.jpg": b"newer"}


@pytest.mark.parametrize("kept", [0, 100, 3000, -30])
def test_a_truncated_zip_is_an_error_that_names_it(tmp_path, kept):
    path = write_zip(tmp_path / "x.zip", {"a.jpg": hashlib.shake_128(b"").digest(5000)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ArtifactError, match=r"x\.zip is damaged, or no zip"):
        scan(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_bit_is_noticed(tmp_path, method):
    path = write_zip(tmp_path / "x.zip", {"a.jpg": LONG}, method)
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"x\.zip is damaged, or no zip"):
        scan(path)


def test_a_bomb_is_refused(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"a.jpg": bytes(20_000_000)})
    assert path.stat().st_size < 30_000
    with pytest.raises(ArtifactError, match="more than 100 times its size; it is a zip bomb"):
        scan(path)


def test_a_member_that_says_less_than_it_holds_gives_no_more(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"a.jpg": LONG})
    (blob,) = scan(path)
    assert read(path, blob.offset, 100) == LONG[:100]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_uncommon_compression_is_an_error(tmp_path, method):
    with pytest.raises(ArtifactError, match="not compressed by deflate"):
        scan(write_zip(tmp_path / "x.zip", {"a.jpg": LONG}, method))


def test_a_zip_that_has_changed_since_is_an_error(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"a.jpg": LONG})
    (blob,) = BlobCache(None).scan(path)
    path.write_bytes(b"something else" * 9)
    with pytest.raises(ArtifactError, match="run the stage sources again"):
        read(path, blob.offset, blob.size)
