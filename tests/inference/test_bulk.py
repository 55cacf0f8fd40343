"""Bulk colouring in this process; over Ray it is tested with the flow."""

import dataclasses
import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import boto3
import pytest
from moto import mock_aws
from PIL import Image

from inference.files import encoded, picture
from scenehue.cluster import Lost
from scenehue.errors import ScenehueError
from scenehue.inference import s3
from scenehue.inference.bulk import ModelFiles, Work, color_shard, one_after_the_other, run
from scenehue.inference.bulk_job import Job
from scenehue.inference.convert import Settings
from scenehue.inference.convert import convert as true_convert
from scenehue.inference.formats import PNG

JPEG = encoded(picture(), "JPEG")


@pytest.fixture(scope="module")
def files():
    return ModelFiles.read("released")


class Archive:
    """A folder of photos, and what colours them."""

    def __init__(self, root, files, **settings):
        self.photos, self.results, self.root = root / "photos", root / "results", root
        (self.photos / "sub").mkdir(parents=True)
        for name in ("a.jpg", "b.jpg", "c.jpg", "sub/d.jpg", "sub/e.jpg"):
            (self.photos / name).write_bytes(JPEG)
        self.work = Work(files, str(self.results), Settings(size=32), **settings)

    @property
    def job(self):
        return Job(self.root / "job", str(self.photos), self.work.settings, 2, self.work.about(str(self.photos)))

    def run(self, shards=one_after_the_other):
        job = self.job
        if job.is_complete:
            job.list_new()
        return run(job, partial(color_shard, self.work), shards, lambda outcome: None), job.report()

    def times(self):
        return {path.name: path.stat().st_mtime_ns for path in self.results.rglob("*.*")}


@pytest.fixture
def archive(tmp_path, files):
    return Archive(tmp_path, files)


def test_a_second_run_does_nothing_and_a_third_just_what_is_new_or_changed(archive):
    now, total = archive.run()
    assert (now.done, total.done, total.failures) == (5, 5, {})
    assert Image.open(archive.results / "sub/e.jpg").size == Image.open(archive.photos / "sub/e.jpg").size
    before = archive.times()
    now, total = archive.run()
    assert (now.photos, total.done) == (0, 5)
    assert archive.times() == before
    (archive.photos / "new.jpg").write_bytes(JPEG)
    os.utime(archive.photos / "b.jpg", ns=(0, 0))
    now, total = archive.run()
    assert (now.done, total.photos) == (2, 7)
    assert {name for name, time in archive.times().items() if before.get(name) != time} == {"new.jpg", "b.jpg"}
    assert json.loads((archive.root / "job/report.json").read_text())["done"] == 7


def test_two_runs_of_one_job_do_not_meet_and_a_killed_one_bars_nobody(archive):
    holding = "import sys\nfrom pathlib import Path\nfrom scenehue.inference.bulk_job import Job\n"
    holding += "from scenehue.inference.convert import Settings\n"
    holding += "with Job(Path(sys.argv[1]), 'scans', Settings(), 2, {}).alone(): print(flush=True); input()"
    command = [sys.executable, "-c", holding, str(archive.root / "job")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline()
        with pytest.raises(ScenehueError, match="another run is colouring it already"), archive.job.alone():
            pass
        other.kill()
        other.wait()
    with archive.job.alone():
        assert archive.run()[0].done == 5


def test_poisoned_photos_stop_nothing_and_are_tried_again(archive, monkeypatch):
    (archive.photos / "b.jpg").write_bytes(JPEG[:300])
    (archive.photos / "c.jpg").write_bytes(b"")

    def convert(model, photo, path, *arguments):
        if photo.name.endswith("e.jpg"):
            raise ZeroDivisionError("no test has found this")
        true_convert(model, photo, path, *arguments)

    monkeypatch.setattr("scenehue.inference.batch.convert", convert)
    now, total = archive.run()
    assert now.done == 2
    names = [str(archive.photos / name) for name in ("b.jpg", "c.jpg", "sub/e.jpg")]
    assert list(total.failures) == names
    assert total.failures[names[2]] == "cannot be coloured: ZeroDivisionError: no test has found this"
    assert (archive.root / "job/failures.csv").read_text().count("\n") == 4
    monkeypatch.undo()
    now, total = archive.run()
    assert (now.done, list(now.failures)) == (1, names[:2])
    assert (total.done, total.photos) == (3, 5)


def test_a_run_that_ends_midway_goes_on_with_the_next_shard(archive, monkeypatch):
    def stopped(work, shards):
        for number, shard in enumerate(shards):
            if number == 1:
                raise KeyboardInterrupt
            yield shard, work(shard)

    with pytest.raises(KeyboardInterrupt):
        archive.run(stopped)
    before = archive.times()
    assert len(before) == 2
    now, total = archive.run()
    assert (now.done, total.done) == (3, 5)
    assert before.items() <= archive.times().items()


def test_only_the_photo_that_kills_its_worker_is_given_up(archive):
    def deadly(work, shards):
        for shard in shards:
            yield shard, Lost("it died") if any(item.name.endswith("c.jpg") for item in shard.items) else work(shard)

    now, total = archive.run(deadly)
    assert (now.done, now.failures) == (4, {str(archive.photos / "c.jpg"): "it died"})
    assert dataclasses.replace(total, seconds=now.seconds) == now
    assert total.seconds == pytest.approx(now.seconds)


def test_two_photos_do_not_share_a_result(archive):
    (archive.photos / "a.png").write_bytes(encoded(picture(), "PNG"))
    archive.work = replace(archive.work, settings=Settings(size=32, format=PNG))
    _, total = archive.run()
    assert (total.done, len(total.failures)) == (5, 1)
    assert "as that of" in total.failures[str(archive.photos / "a.png")]


def test_results_of_others_are_replaced_unless_they_are_to_be_kept(tmp_path, files):
    archive = Archive(tmp_path, files, keep=True)
    archive.results.mkdir()
    (archive.results / "a.jpg").write_bytes(b"somebody's")
    now, _ = archive.run()
    assert (now.done, now.skipped) == (4, 1)
    assert (archive.results / "a.jpg").read_bytes() == b"somebody's"
    archive.work = replace(archive.work, keep=False)
    archive.root = tmp_path / "again"
    assert archive.run()[0].done == 5


def test_originals_are_never_replaced(archive):
    archive.work = replace(archive.work, target=str(archive.photos))
    now, _ = archive.run()
    assert len(now.failures) == 5
    assert (archive.photos / "a.jpg").read_bytes() == JPEG


def test_results_among_the_originals_are_no_originals(archive):
    archive.work = replace(archive.work, target=str(archive.photos / "color"))
    assert archive.run()[0].done == 5
    assert archive.run()[0].photos == 0


def test_another_model_is_another_job(files):
    work = Work(files, "results", Settings())
    other = Work(ModelFiles(files.files, "0" * 64), "results", Settings())
    assert work.about("photos") != other.about("photos")
    assert json.dumps(work.about("photos"), sort_keys=True)


def test_from_bucket_to_bucket(tmp_path, files, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    archive = Archive(tmp_path, files)
    archive.photos, archive.work = "s3://archive/old", replace(archive.work, target="s3://archive/colour")
    with mock_aws():
        s3._client.cache_clear()
        client = boto3.client("s3")
        client.create_bucket(Bucket="archive")
        for name in ("a.jpg", "1920/b.jpg"):
            client.put_object(Bucket="archive", Key=f"old/{name}", Body=JPEG)
        assert archive.run()[0].done == 2
        found = client.list_objects_v2(Bucket="archive", Prefix="colour/")["Contents"]
        assert [each["Key"] for each in found] == ["colour/1920/b.jpg", "colour/a.jpg"]
        assert archive.run()[0].photos == 0
        client.put_object(Bucket="archive", Key="old/a.jpg", Body=encoded(picture(), "JPEG", quality=50))
        now, total = archive.run()
        assert (now.done, total.done) == (1, 3)
        s3._client.cache_clear()


def test_nothing_to_colour(archive):
    for path in archive.photos.rglob("*.jpg"):
        path.unlink()
    with pytest.raises(ScenehueError, match="there is no photo"):
        archive.run()
