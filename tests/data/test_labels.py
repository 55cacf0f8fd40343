"""Scene classes and splits from a CSV."""

import pytest

from scenehue.data.labels import Label, Labels
from scenehue.errors import ArtifactError


@pytest.fixture
def labels(tmp_path):
    def read(text: str) -> Labels:
        path = tmp_path / "labels.csv"
        path.write_bytes(text.encode())
        return Labels(path)

    return read


def test_photos_are_found_by_path_or_by_tar_and_member(labels):
    found = labels("tar,file,scene,split,other\n,a.jpg,beach,test,1\nx.tar,b.jpg,forest,,2\nsub/y.tar,b.jpg,,val,3\n")
    assert found.find("a.jpg", "") == Label("beach", "test")
    assert found.find("x.tar", "b.jpg") == Label("forest", "")
    assert found.find("sub/y.tar", "b.jpg") == Label("", "val")
    assert found.find("b.jpg", "") is None
    assert found.find("x.tar", "a.jpg") == Label("beach", "test")


def test_without_a_tar_a_name_counts_in_each(labels):
    found = labels("\ufefffile,scene\r\n./dir/a.jpg,street\r\n")
    assert found.find("dir/a.jpg", "") == found.find("x.tar", "dir/a.jpg") == Label("street")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column `file`"),
        ("name,scene\na.jpg,beach\n", "no column `file`"),
        ("file,split\na.jpg,train\nb.jpg,training\n", r"labels\.csv, line 3: there is no split 'training'"),
        ("file,scene\na.jpg,beach\na.jpg,beach\na.jpg,forest\n", r"line 4: a\.jpg was labelled otherwise further up"),
    ],
)
def test_useless_labels_are_errors(labels, text, message):
    with pytest.raises(ArtifactError, match=message):
        labels(text)


def test_missing_labels_are_an_error(tmp_path):
    with pytest.raises(ArtifactError, match=r"none\.csv cannot be read"):
        Labels(tmp_path / "none.csv")


def test_a_short_row_is_a_photo_without_labels(labels):
    assert labels("file,scene,split\na.jpg\n").find("a.jpg", "") == Label()
