import boto3
import pytest
from moto import mock_aws

from inference.files import encoded, picture
from scenehue.errors import PhotoError, ScenehueError
from scenehue.inference import s3
from scenehue.inference.batch import Batch, Existing
from scenehue.inference.convert import Settings
from scenehue.inference.items import find_photos
from scenehue.inference.s3 import split_address
from scenehue.inference.sinks import FolderSink, S3Sink

JPEG = encoded(picture(), "JPEG")


def found(*inputs):
    return [(item.name, str(item.relative)) for item in find_photos([str(each) for each in inputs])]


@pytest.fixture
def bucket(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        s3._client.cache_clear()
        client = boto3.client("s3")
        client.create_bucket(Bucket="archive")
        for key in ("old/a.jpg", "old/1920/b.jpg", "old/notes.txt", "older/c.jpg"):
            client.put_object(Bucket="archive", Key=key, Body=JPEG)
        yield client
        s3._client.cache_clear()


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
