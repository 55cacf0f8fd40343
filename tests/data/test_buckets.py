"""Photos from real S3 servers on loopback: moto's and rclone's."""

import csv
import shutil
from pathlib import Path

import pytest

from data.photos import encode, picture, write_tar
from data.servers import KEYS, Bucket, moto_bucket, rclone_bucket
from scenehue.data import buckets, remotes
from scenehue.data import fetch as fetching
from scenehue.data.archives import Order, fetch_archives
from scenehue.data.blobs import BlobCache
from scenehue.data.listing import read_listing
from scenehue.data.sources import open_sources
from scenehue.errors import ArtifactError
from scenehue.params import Archive, DatasetParams, MachineParams, Params, S3Source
from scenehue.stages import dataset, sources

PHOTOS = {f"trip/{number}.jpg": encode(picture(number)) for number in range(7)}


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def rclone(tmp_path_factory):
    with rclone_bucket(tmp_path_factory.mktemp("store")) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def moto():
    with moto_bucket() as bucket:
        yield bucket


def cleared(bucket: Bucket) -> Bucket:
    """The bucket with some photos and nothing else."""
    for page in bucket.client.get_paginator("list_objects_v2").paginate(Bucket="photos"):
        for found in page.get("Contents", ()):
            bucket.remove(found["Key"])
    bucket.put(**PHOTOS)
    return bucket


@pytest.fixture
def bucket(rclone):
    return cleared(rclone)


@pytest.fixture
def open_bucket(moto):
    """One that takes any key and any credentials."""
    return cleared(moto)


@pytest.fixture
def fetched(monkeypatch):
    """Names of the objects that were fetched."""
    names, fetch = [], buckets.BucketSource._fetch
    monkeypatch.setattr(
        buckets.BucketSource, "_fetch", lambda self, found: names.append(found.name) or fetch(self, found)
    )
    return names


def params(bucket: Bucket, prefix: str = "trip", **options) -> Params:
    source = S3Source(**{"kind": "s3", "address": f"s3://photos/{prefix}", "endpoint": bucket.endpoint} | options)
    return Params(dataset=DatasetParams(sources=(source,), short_side=64), machine=MachineParams(workers=0))


def rows(root: Path) -> list[dict]:
    with (root / "artifacts/sources/listing.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def memory(root: Path) -> None:
    """What makes the stage remember hashes."""
    (root / ".dvc").mkdir(parents=True)


def test_all_below_the_prefix_is_listed_with_etags(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(buckets, "_PAGE", 3)
    bucket.put(**{"trip/deep/er.jpg": encode(picture(20)), "trip/notes.txt": b"no photo", "tripod.jpg": b"beside"})
    sources.run(params(bucket), tmp_path)
    found = rows(tmp_path)
    assert [row["path"] for row in found] == [*(f"{number}.jpg" for number in range(7)), "deep/er.jpg"]
    assert len({row["etag"] for row in found}) == 8
    assert {len(row["hash"]) for row in found} == {64}


def test_they_become_a_data_set(bucket, tmp_path):
    wanted = params(bucket, split="train")
    sources.run(wanted, tmp_path)
    dataset.run(wanted, tmp_path)
    (source,) = open_sources(wanted.dataset.sources, tmp_path)
    entries = read_listing(tmp_path / "artifacts/sources/listing.csv")
    assert [source.read(entry) for entry in entries] == list(PHOTOS.values())
    assert {entry.split for entry in entries} == {"train"}


@pytest.mark.parametrize("remembers", [False, True])
def test_only_new_and_changed_objects_are_fetched(bucket, tmp_path, fetched, remembers):
    if remembers:
        memory(tmp_path)
    sources.run(params(bucket), tmp_path)
    assert sorted(fetched) == [f"{number}.jpg" for number in range(7)]
    before = {row["path"]: row for row in rows(tmp_path)}
    fetched.clear()
    sources.run(params(bucket), tmp_path)
    assert fetched == []
    bucket.put(**{"trip/3.jpg": encode(picture(33)), "trip/9.jpg": encode(picture(9))})
    bucket.remove("trip/5.jpg")
    sources.run(params(bucket), tmp_path)
    assert sorted(fetched) == ["3.jpg", "9.jpg"]
    after = {row["path"]: row for row in rows(tmp_path)}
    assert after.keys() == (before.keys() - {"5.jpg"}) | {"9.jpg"}
    assert {path for path in after if after[path] != before.get(path)} == {"3.jpg", "9.jpg"}
    (folder,) = (tmp_path / "downloads/s3").iterdir()
    assert len(list(folder.glob("[!.]*"))) == 7


def test_what_is_remembered_needs_no_file_and_is_fetched_only_if_it_is_read(bucket, tmp_path, fetched):
    memory(tmp_path)
    sources.run(params(bucket), tmp_path)
    listing = (tmp_path / "artifacts/sources/listing.csv").read_bytes()
    for path in (tmp_path / "downloads/s3").rglob("*.jpg"):
        path.unlink()
    fetched.clear()
    sources.run(params(bucket), tmp_path)
    assert fetched == []
    assert (tmp_path / "artifacts/sources/listing.csv").read_bytes() == listing
    shutil.rmtree(tmp_path / "downloads")
    dataset.run(params(bucket), tmp_path)
    assert len(fetched) == 7


def test_an_object_that_changed_after_it_was_listed_is_an_error(bucket, tmp_path):
    memory(tmp_path)
    sources.run(params(bucket), tmp_path)
    for path in (tmp_path / "downloads/s3").rglob("*.jpg"):
        path.unlink()
    bucket.put(**{"trip/3.jpg": encode(picture(33))})
    with pytest.raises(ArtifactError, match="has changed"):
        dataset.run(params(bucket), tmp_path)


def test_tars_and_labels_in_the_bucket(bucket, tmp_path):
    tar = write_tar(tmp_path / "x.tar", {"one.jpg": encode(picture(50)), "two.jpg": encode(picture(51))}).read_bytes()
    bucket.put(
        **{"trip/x.tar": tar, "trip/labels.csv": b"tar,file,scene,split\nx.tar,one.jpg,beach,test\n,0.jpg,,val\n"}
    )
    sources.run(params(bucket, labels="labels.csv", split="train"), tmp_path)
    found = {f"{row['path']}!{row['member']}": (row["split"], row["scene"]) for row in rows(tmp_path)}
    assert found["x.tar!one.jpg"] == ("test", "beach")
    assert found["x.tar!two.jpg"] == ("train", "")
    assert found["0.jpg!"] == ("val", "")
    dataset.run(params(bucket, labels="labels.csv", split="train"), tmp_path)


def test_missing_labels_are_an_error(bucket, tmp_path):
    with pytest.raises(ArtifactError, match=r"has no labels\.csv, which `labels` names"):
        sources.run(params(bucket, labels="labels.csv"), tmp_path)


def test_a_prefix_without_photos_is_an_error(bucket, tmp_path):
    with pytest.raises(ArtifactError, match="s3://photos/empty holds no JPEG"):
        sources.run(params(bucket, "empty"), tmp_path)


def test_a_bucket_that_is_not_there_is_an_error(bucket, tmp_path):
    with pytest.raises(ArtifactError, match=r"s3://elsewhere/x cannot be read: .*NoSuchBucket"):
        sources.run(params(bucket, address="s3://elsewhere/x"), tmp_path)


def test_a_store_that_does_not_answer_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "_LONGEST_WAIT", 0.01)
    monkeypatch.setattr(remotes, "_S3_ATTEMPTS", 1)
    with pytest.raises(ArtifactError, match="cannot be fetched, after 8 attempts"):
        sources.run(params(Bucket("http://127.0.0.1:9", None)), tmp_path)


def test_too_little_room_is_told_before_anything_is_fetched(bucket, tmp_path, monkeypatch, fetched):
    usage = fetching.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ArtifactError, match=r"only 1\.0 kB are free"):
        sources.run(params(bucket), tmp_path)
    assert fetched == []


def test_no_key_leads_out_of_the_folder(open_bucket, tmp_path):
    odd = ["trip/../../../outside.jpg", "trip//x.jpg", "trip/" + "n" * 300 + "/x.jpg", "trip/\u00e4 b+%20.jpg"]
    open_bucket.put(**{key: encode(picture(number)) for number, key in enumerate(odd, 20)})
    before = {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents}
    sources.run(params(open_bucket), tmp_path)
    assert {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents} == before
    assert len(rows(tmp_path)) == 7 + 3
    for path in (tmp_path / "downloads").rglob("*.jpg"):
        assert len(path.name) == 64 + 4


def test_wrong_credentials_are_an_error(tmp_path, monkeypatch):
    with rclone_bucket(tmp_path / "store") as bucket:
        bucket.put(**PHOTOS)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        with pytest.raises(ArtifactError, match=r"s3://photos/trip cannot be read: .*; correct the address, or give"):
            sources.run(params(bucket), tmp_path)


@pytest.mark.parametrize("options", [{}, {"unsigned": True}])
def test_public_buckets_are_asked_without_credentials(open_bucket, monkeypatch, options):
    if not options:
        for name in KEYS:
            monkeypatch.delenv(name)
    headers = []
    client = remotes.s3_client(open_bucket.endpoint, **options)
    client.meta.events.register("before-send.s3", lambda request, **_: headers.append(dict(request.headers)))
    assert client.list_objects_v2(Bucket="photos")["KeyCount"] == 7
    assert "Authorization" not in headers[0]


def test_other_buckets_are_asked_with_credentials(open_bucket):
    headers = []
    client = remotes.s3_client(open_bucket.endpoint)
    client.meta.events.register("before-send.s3", lambda request, **_: headers.append(dict(request.headers)))
    client.list_objects_v2(Bucket="photos")
    assert b"tester" in headers[0]["Authorization"]


def test_an_archive_may_lie_in_a_bucket(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", bucket.endpoint)
    monkeypatch.setattr(fetching, "PART", 1000)
    data = b"".join(PHOTOS.values())
    bucket.put(**{"zips/a.bin": data})
    fetch_archives([Order(Archive(address="s3://photos/zips/a.bin"), tmp_path / "a.bin")])
    assert (tmp_path / "a.bin").read_bytes() == data
    with pytest.raises(ArtifactError, match=r"s3://photos/zips/b\.bin cannot be read: .*404"):
        fetch_archives([Order(Archive(address="s3://photos/zips/b.bin"), tmp_path / "b.bin")])


def test_a_source_travels_to_other_processes(bucket, tmp_path):
    import pickle

    (source,) = open_sources(params(bucket).dataset.sources, tmp_path)
    source.fetch(BlobCache(None))
    (first, *_) = source.entries(BlobCache(None))
    assert pickle.loads(pickle.dumps(source)).read(first) == PHOTOS["trip/0.jpg"]
