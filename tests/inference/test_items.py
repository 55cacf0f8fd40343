import os

import pytest

from inference.files import encoded, picture
from scenehue.errors import PhotoError, ScenehueError
from scenehue.inference.batch import Batch
from scenehue.inference.convert import Settings
from scenehue.inference.items import find_photos
from scenehue.inference.sinks import FolderSink, StandardSink

JPEG = encoded(picture(), "JPEG")


def found(*inputs):
    return [(item.name, str(item.relative)) for item in find_photos([str(each) for each in inputs])]


def test_folders_keep_their_tree_and_leave_out_what_is_no_photo(tmp_path):
    for name in ("b.JPG", "sub/deep/a.tif", ".hidden.jpg", ".cache/x.jpg", "notes.txt", "sub/._a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(JPEG)
    assert [relative for _, relative in found(tmp_path)] == ["b.JPG", "sub/deep/a.tif"]


def test_loops_of_links_end(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/photo.jpg").write_bytes(JPEG)
    (tmp_path / "a/b/up").symlink_to(tmp_path / "a")
    (tmp_path / "a/self").symlink_to("self")
    assert [relative for _, relative in found(tmp_path / "a")] == ["b/photo.jpg"]


def test_patterns_files_and_repetitions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-dash.jpg", "ü space.jpg", "x.png", "deep/y.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(JPEG)
    assert found("*.jpg") == [("-dash.jpg", "-dash.jpg"), ("ü space.jpg", "ü space.jpg")]
    assert [name for name, _ in found("**/*.jpg", "x.png", "x.png")][-1] == "x.png"
    assert found("deep/y.jpg") == [("deep/y.jpg", "y.jpg")]
    (tmp_path / "odd[1].jpg").write_bytes(JPEG)
    assert found("odd[1].jpg") == [("odd[1].jpg", "odd[1].jpg")]
    for nothing in ("*.gif", "missing.jpg", "s3://"):
        with pytest.raises(ScenehueError):
            found(nothing)


def test_a_photo_named_in_several_ways_is_listed_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans/a.jpg").write_bytes(JPEG)
    assert found("scans", "./scans/", tmp_path / "scans", "scans/../scans/a.jpg", "scans/*.jpg") == [
        ("scans/a.jpg", "a.jpg")
    ]


def test_results_inside_the_originals_are_passed_over(tmp_path):
    for name in ("a.jpg", "out/a.jpg", "out/sub/b.jpg", "sub/out/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(JPEG)

    def relatives(folder, results):
        return [str(item.relative) for item in find_photos([str(folder)], str(results))]

    assert relatives(tmp_path, tmp_path / "out") == ["a.jpg", "sub/out/c.jpg"]
    (tmp_path / "link").symlink_to("out")
    assert relatives(tmp_path, tmp_path / "link") == ["a.jpg", "sub/out/c.jpg"]
    for elsewhere in (tmp_path / "out", tmp_path, tmp_path / "none"):
        assert relatives(tmp_path / "out", elsewhere) == ["a.jpg", "sub/b.jpg"]


def test_a_pipe_is_not_waited_for(tmp_path, tinter):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "fine.jpg").write_bytes(JPEG)
    results = Batch(tinter, FolderSink(tmp_path / "out"), Settings()).run(find_photos([str(tmp_path)]))
    assert sorted((result.status, result.reason[:9]) for result in results) == [("done", ""), ("failed", "is a pipe")]


def test_a_folder_that_cannot_be_searched_is_reported_and_the_rest_is_done(tmp_path, tinter, monkeypatch):
    (tmp_path / "in/closed").mkdir(parents=True)
    (tmp_path / "in/fine.jpg").write_bytes(JPEG)
    search = os.scandir

    def scandir(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return search(path)

    monkeypatch.setattr(os, "scandir", scandir)
    results = Batch(tinter, FolderSink(tmp_path / "out"), Settings()).run(find_photos([str(tmp_path / "in")]))
    found = {os.path.basename(result.source): (result.status, result.reason) for result in results}
    assert found.pop("fine.jpg") == ("done", "")
    assert found.pop("closed")[0] == "failed"
    assert not found
    with pytest.raises(PhotoError, match="closed: cannot be read: Permission denied"):
        find_photos([str(tmp_path / "in/closed")])


def test_closed_standard_streams_are_named(tinter, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    (result,) = Batch(tinter, FolderSink(tmp_path), Settings()).run(find_photos(["-"]))
    assert result.reason == "cannot be read: standard input is closed"
    (tmp_path / "a.jpg").write_bytes(JPEG)
    monkeypatch.setattr("sys.stdout", None)
    (result,) = Batch(tinter, StandardSink(), Settings()).run(find_photos([str(tmp_path / "a.jpg")]))
    assert result.reason == "-: cannot be written: standard output is closed"
