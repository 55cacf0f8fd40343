"""Either the old files or the new ones, whatever happens in between."""

from pathlib import Path

import pytest

from scenehue.data.files import replacing_file, replacing_folder


def test_a_file_is_replaced_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing_file(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_at_the_end(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old").touch()
    with replacing_folder(folder) as partial:
        (partial / "new").touch()
        assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "new"]


@pytest.mark.parametrize("replacing", [replacing_file, replacing_folder])
def test_an_error_leaves_what_was_there(tmp_path, replacing):
    path = tmp_path / "out"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(ZeroDivisionError), replacing(path):
        _ = 1 / 0
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "old"]


def test_what_a_killed_run_left_is_thrown_away(tmp_path):
    folder = tmp_path / "out"
    killed = replacing_folder(folder)
    (killed.__enter__() / "half").touch()
    with replacing_folder(folder) as partial:
        assert not list(partial.iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    del killed


def test_what_goes_wrong_between_the_renames_leaves_what_was_there(tmp_path, monkeypatch):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "kept").touch()
    rename = Path.rename

    def interrupted(path, target):
        if path.name.endswith(".partial"):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), replacing_folder(folder):
        pass
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["out", "out/kept"]


def test_what_a_run_killed_between_its_renames_put_aside_comes_back(tmp_path):
    folder = tmp_path / "out"
    (tmp_path / ".out.old").mkdir()
    (tmp_path / ".out.old/kept").touch()
    with pytest.raises(ZeroDivisionError), replacing_folder(folder):
        _ = 1 / 0
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["out", "out/kept"]
