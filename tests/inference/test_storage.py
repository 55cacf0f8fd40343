import contextlib
import os
import time
from pathlib import PurePosixPath

import boto3
import pytest
from moto import mock_aws

from inference.files import encoded, picture
from scenehue.errors import PhotoError, ScenehueError
from scenehue.inference import storage
from scenehue.inference.batch import Batch, Existing
from scenehue.inference.convert import Settings
from scenehue.inference.storage import FolderSink, S3Sink, find_photos, split_address

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


@pytest.fixture
def bucket(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        storage._client.cache_clear()
        client = boto3.client("s3")
        client.create_bucket(Bucket="archive")
        for key in ("old/a.jpg", "old/1920/b.jpg", "old/notes.txt", "older/c.jpg"):
            client.put_object(Bucket="archive", Key=key, Body=JPEG)
        yield client
        storage._client.cache_clear()


def keys(client, prefix=""):
    return [entry["Key"] for entry in client.list_objects_v2(Bucket="archive", Prefix=prefix).get("Contents", [])]


def test_s3_prefixes_and_objects(bucket):
    assert [relative for _, relative in found("s3://archive/old")] == ["1920/b.jpg", "a.jpg"]
    assert [relative for _, relative in found("s3://archive/old/")] == ["1920/b.jpg", "a.jpg"]
    assert found("s3://archive/old/a.jpg") == [("s3://archive/old/a.jpg", "a.jpg")]
    with pytest.raises(PhotoError, match="no such bucket"):
        found("s3://nowhere/x")


def test_s3_results_inside_the_originals_are_passed_over(bucket):
    bucket.put_object(Bucket="archive", Key="old/color/a.jpg", Body=JPEG)
    relatives = [str(item.relative) for item in find_photos(["s3://archive/old"], "s3://archive/old/color/")]
    assert relatives == ["1920/b.jpg", "a.jpg"]
    assert len(find_photos(["s3://archive/old"], "s3://archive")) == 3


def test_no_key_leads_out_of_the_folder(bucket, tinter, tmp_path):
    bucket.put_object(Bucket="archive", Key="old/../../evil.jpg", Body=JPEG)
    items = find_photos(["s3://archive/old"])
    results = list(Batch(tinter, FolderSink(tmp_path / "a/b"), Settings()).run(items))
    assert [result.reason for result in results if "outside of the folder" in result.reason]
    assert sorted(path.name for path in tmp_path.rglob("*.jpg")) == ["a.jpg", "b.jpg"]


def test_s3_to_s3_and_resume(bucket, tinter):
    items = find_photos(["s3://archive/old"])
    results = list(Batch(tinter, S3Sink("s3://archive/new"), Settings(), workers=2).run(items))
    assert {result.status for result in results} == {"done"}
    assert keys(bucket, "new") == ["new/1920/b.jpg", "new/a.jpg"]
    bucket.delete_object(Bucket="archive", Key="new/a.jpg")
    again = Batch(tinter, S3Sink("s3://archive/new"), Settings(), Existing(resume=True)).run(items)
    assert [result.status for result in again] == ["skipped", "done"]


def test_s3_originals_are_not_replaced(bucket, tinter):
    before = bucket.get_object(Bucket="archive", Key="old/a.jpg")["Body"].read()
    items = find_photos(["s3://archive/old/a.jpg"])
    (result,) = Batch(tinter, S3Sink("s3://archive/old"), Settings(), Existing(overwrite=True)).run(items)
    assert "would replace the original" in result.reason
    assert bucket.get_object(Bucket="archive", Key="old/a.jpg")["Body"].read() == before


def test_an_object_that_goes_in_mid_run_is_reported(bucket, tinter, tmp_path):
    items = find_photos(["s3://archive/old"])
    bucket.delete_object(Bucket="archive", Key="old/a.jpg")
    results = {result.source: result for result in Batch(tinter, FolderSink(tmp_path), Settings()).run(items)}
    assert results["s3://archive/old/a.jpg"].reason == "is gone"
    assert results["s3://archive/old/1920/b.jpg"].status == "done"


def test_a_bucket_that_may_not_be_written(bucket, tinter, tmp_path):
    (tmp_path / "a.jpg").write_bytes(JPEG)
    (result,) = Batch(tinter, S3Sink("s3://nowhere/x"), Settings(), Existing(overwrite=True)).run(
        find_photos([str(tmp_path / "a.jpg")])
    )
    assert result.status == "failed"
    assert "s3://nowhere/x/a.jpg" in result.reason


def test_address_without_a_bucket():
    with pytest.raises(ScenehueError, match="names no bucket"):
        split_address("s3:///key")


def test_large_photos_are_taken_one_at_a_time(tinter, tmp_path, monkeypatch):
    from scenehue.inference import batch

    monkeypatch.setattr(batch, "LARGE_MEGAPIXELS", 0.0)
    inside, most = [], []

    class Counting(FolderSink):
        @contextlib.contextmanager
        def written(self, relative: PurePosixPath):
            with super().written(relative) as path:
                inside.append(relative)
                time.sleep(0.02)
                most.append(len(inside))
                yield path
                inside.remove(relative)

    for index in range(6):
        (tmp_path / f"{index}.jpg").write_bytes(JPEG)
    results = list(Batch(tinter, Counting(tmp_path / "out"), Settings(), workers=3).run(find_photos([str(tmp_path)])))
    assert {result.status for result in results} == {"done"}
    assert max(most) == 1
