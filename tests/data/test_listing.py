"""The listing comes back as it was written, and always in the same bytes."""

import random

import pytest

from scenehue.data.listing import Entry, read_listing, write_listing
from scenehue.errors import ArtifactError

ENTRIES = [
    Entry(0, "sample", "a.jpg", "", 0, 5, "00" * 32),
    Entry(0, "sample", 'odd, "name"\nß\udcff.jpg', "", 0, 7, "11" * 32, "", "beach"),
    Entry(1, "folder", "x.tar", "b/c.jpg", 512, 9, "22" * 32, "test", ""),
    Entry(10, "folder", "x.tar", "b/c.jpg", 512, 9, "22" * 32, "val", "", "d41d8-2", 77, 5, "33" * 32),
]


def test_round_trip_whatever_the_order(tmp_path):
    shuffled = random.Random(0).sample(ENTRIES, len(ENTRIES))
    write_listing(tmp_path / "new/1.csv", ENTRIES)
    write_listing(tmp_path / "new/2.csv", shuffled)
    assert read_listing(tmp_path / "new/1.csv") == ENTRIES
    assert (tmp_path / "new/1.csv").read_bytes() == (tmp_path / "new/2.csv").read_bytes()


def test_the_columns_are_those_promised(tmp_path):
    write_listing(tmp_path / "1.csv", ENTRIES[2:3])
    header, row = (tmp_path / "1.csv").read_text().splitlines()
    assert header == "source,kind,path,member,offset,size,hash,split,scene,etag,map_offset,map_size,map_hash"
    assert row == f"1,folder,x.tar,b/c.jpg,512,9,{'22' * 32},test,,,0,0,"


def test_names():
    assert [entry.name for entry in ENTRIES[::2]] == ["a.jpg", "x.tar!b/c.jpg"]


def test_a_missing_listing_says_what_to_do(tmp_path):
    with pytest.raises(ArtifactError, match="run the stage sources first"):
        read_listing(tmp_path / "none.csv")


@pytest.mark.parametrize("text", ["path,size\na,1\n", "source,kind\n0,folder\n", "\0", "source,offset,size\nx,y,z\n"])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "1.csv").write_text(text)
    with pytest.raises(ArtifactError, match="run the stage sources again"):
        read_listing(tmp_path / "1.csv")
