"""What earlier runs prepared is used again, and changes no byte of the result."""

import filecmp
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data.photos import encode, picture
from data.workshop import Workshop, manifest, rejects, source
from scenehue.data import ingest
from scenehue.data import prepared as remembered


@pytest.fixture
def workshop(tmp_path):
    """A workshop with photos of every fate: for all splits, grey, unreadable, twice there, and nearly so."""
    workshop = Workshop(tmp_path)
    photos = {f"{seed:02}.jpg": encode(picture(seed)) for seed in range(24)}
    photos |= {"copy.jpg": photos["03.jpg"], "grey.jpg": encode(picture(90).convert("L")), "no.jpg": b"x"}
    photos |= {"like.jpg": encode(picture(5), quality=50), "like2.png": encode(picture(7), "PNG")}
    workshop.put(photos=photos, test={"a.jpg": encode(picture(50)), "like.jpg": encode(picture(11), quality=40)})
    return workshop


@pytest.fixture
def prepared(monkeypatch):
    """Names of the photos that were decoded."""
    names, prepare_all = [], ingest.prepare_all
    monkeypatch.setattr(
        ingest, "prepare_all", lambda *given: names.extend(e.name for e in given[2]) or prepare_all(*given)
    )
    return names


def build(workshop: Workshop, memory: Path | None, **options) -> Path:
    return workshop.build(source("photos", None), source("test", "test"), memory=memory, **options)


def assert_same(one: Path, other: Path) -> None:
    names = sorted(path.name for path in one.iterdir())
    assert sorted(path.name for path in other.iterdir()) == names
    assert filecmp.cmpfiles(one, other, names, shallow=False) == (names, [], [])


def files(memory: Path) -> list[Path]:
    return [path for path in memory.rglob("*") if path.is_file()]


def test_the_second_time_nothing_is_prepared_and_the_bytes_are_the_same(workshop, tmp_path, prepared):
    expected = build(workshop, None)
    assert len(prepared) == 30
    first = build(workshop, tmp_path / "memory")
    assert_same(first, expected)
    prepared.clear()
    again = build(workshop, tmp_path / "memory")
    assert prepared == []
    assert_same(again, expected)
    assert len(rejects(again)) == 6


def test_after_photos_were_added_just_these_are_prepared_and_none_moves(workshop, tmp_path, prepared):
    before = manifest(build(workshop, tmp_path / "memory"))
    prepared.clear()
    workshop.put(photos={"00a.jpg": encode(picture(60)), "zz.jpg": encode(picture(61))})
    folder = build(workshop, tmp_path / "memory")
    assert sorted(prepared) == ["00a.jpg", "zz.jpg"]
    after = manifest(folder)
    assert after.keys() - before.keys() == {"00a.jpg", "zz.jpg"}
    assert {path: row["split"] for path, row in after.items() if path in before} == {
        path: row["split"] for path, row in before.items()
    }
    assert_same(folder, build(workshop, None))


def test_what_was_a_duplicate_is_made_when_the_other_has_gone(workshop, tmp_path, prepared):
    folder = build(workshop, tmp_path / "memory")
    (stayed,) = {"05.jpg", "like.jpg"} & manifest(folder).keys()
    (left_out,) = {"05.jpg", "like.jpg"} - {stayed}
    prepared.clear()
    (tmp_path / "photos" / stayed).unlink()
    folder = build(workshop, tmp_path / "memory")
    assert prepared == [left_out]
    assert left_out in manifest(folder)
    assert_same(folder, build(workshop, None))


def test_a_photo_whose_split_changed_is_stored_as_its_new_split_demands(workshop, tmp_path, prepared):
    build(workshop, tmp_path / "memory", splits={"val": 0.1, "test": 0.1})
    prepared.clear()
    folder = build(workshop, tmp_path / "memory", splits={"val": 0.1, "test": 0.5})
    assert 0 < len(prepared) < 20
    assert_same(folder, build(workshop, None, splits={"val": 0.1, "test": 0.5}))


@pytest.mark.parametrize("change", [{"short_side": 80}, {"jpeg_quality": 80}, {"min_chroma": 9}, {"min_side": 65}])
def test_another_way_to_prepare_uses_nothing_of_before(workshop, tmp_path, prepared, change):
    build(workshop, tmp_path / "memory")
    prepared.clear()
    build(workshop, tmp_path / "memory", **change)
    assert len(prepared) == 30


def test_other_code_uses_nothing_of_before(workshop, tmp_path, prepared, monkeypatch):
    build(workshop, tmp_path / "memory")
    prepared.clear()
    changed = tmp_path / "decode.py"
    changed.write_bytes(Path(remembered.decode.__file__).read_bytes() + b"# changed\n")
    monkeypatch.setattr(remembered.decode, "__file__", str(changed))
    build(workshop, tmp_path / "memory")
    assert len(prepared) == 30


def test_the_memory_links_to_the_data_set_and_forgets_what_has_gone(workshop, tmp_path):
    folder = build(workshop, tmp_path / "memory")
    for side in (70, 80, 96):
        last = build(workshop, tmp_path / "memory", short_side=side)
    shards = {path.stat().st_ino for path in last.glob("*.arrow")}
    assert len(list((tmp_path / "memory").iterdir())) == 2
    kept = {path.stat().st_ino for path in files(tmp_path / "memory") if path.suffix == ".arrow"}
    assert shards < kept
    for path in (tmp_path / "photos").glob("1*.jpg"):
        path.unlink()
    shutil.rmtree(folder)
    folder = build(workshop, tmp_path / "memory")
    newest = max((tmp_path / "memory").iterdir(), key=lambda path: path.stat().st_mtime)
    assert {path.stat().st_ino for path in newest.glob("*.arrow")} == {
        path.stat().st_ino for path in folder.glob("*.arrow")
    }


@pytest.mark.parametrize("harm", ["flip", "truncate", "remove", "table", "other"])
def test_a_damaged_memory_is_made_good(workshop, tmp_path, prepared, harm):
    build(workshop, tmp_path / "memory")
    for path in files(tmp_path / "memory"):
        if harm == "table" and path.suffix == ".parquet":
            path.write_bytes(path.read_bytes()[:40])
        elif harm == "other" and path.suffix == ".parquet":
            shutil.copy(tmp_path / "out1/manifest.parquet", path)
        elif path.suffix == ".arrow" and harm in ("flip", "truncate", "remove"):
            data = bytearray(path.read_bytes())
            path.unlink()
            data[len(data) // 2] ^= 255
            if harm != "remove":
                path.write_bytes(data if harm == "flip" else data[: len(data) // 2])
    prepared.clear()
    folder = build(workshop, tmp_path / "memory")
    assert prepared
    assert_same(folder, build(workshop, None))


def test_a_memory_that_somebody_removes_meanwhile_is_made_again(workshop, tmp_path, prepared, monkeypatch):
    note = remembered.PreparedPhotos.note

    def remove_then_note(self, *given):
        shutil.rmtree(tmp_path / "memory")
        (tmp_path / "memory").mkdir()
        note(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(remembered.PreparedPhotos, "note", remove_then_note)
        build(workshop, tmp_path / "memory")
    assert_same(build(workshop, tmp_path / "memory"), build(workshop, None))


def test_disks_without_links_copy(workshop, tmp_path, prepared, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    build(workshop, tmp_path / "memory")
    prepared.clear()
    assert_same(build(workshop, tmp_path / "memory"), build(workshop, None))
    assert len(prepared) == 30  # for the one without memory


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from data.workshop import Workshop, source
from scenehue.data import ingest, prepared
workshop, shards = Workshop(Path(sys.argv[1])), 0
keep = prepared.PreparedPhotos.keep
def keep_then_die(self, shard):
    global shards
    keep(self, shard)
    shards += 1
    if shards == 3:
        os.kill(os.getpid(), signal.SIGKILL)
prepared.PreparedPhotos.keep = keep_then_die
ingest._CHUNK_PHOTOS = 2
workshop.build(source("many", "train"), memory=Path(sys.argv[2]), short_side=512, jpeg_quality=100, shard_megabytes=1)
"""


def test_a_killed_run_is_gone_on_with_from_its_last_shard(tmp_path, prepared):
    workshop = Workshop(tmp_path)
    # Noise, since it takes many bytes: some nine photos a megabyte.
    many = {f"{seed:02}.png": encode(picture(seed, 200, 150).effect_spread(60), "PNG") for seed in range(48)}
    workshop.put(many=many)
    options = {"short_side": 512, "jpeg_quality": 100, "shard_megabytes": 1}
    expected = workshop.build(source("many", "train"), **options)
    assert len(list(expected.glob("*.arrow"))) > 3
    prepared.clear()
    tests = Path(__file__).parents[1]
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed/many").symlink_to(tmp_path / "many")
    process = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "killed", tmp_path / "memory", tests])
    assert process.returncode == -signal.SIGKILL
    again = workshop.build(source("many", "train"), memory=tmp_path / "memory", **options)
    assert_same(again, expected)
    finished = sum(row["shard"] in {f"train-{n:05}.arrow" for n in range(3)} for row in manifest(expected).values())
    assert len(prepared) == len(many) - finished
