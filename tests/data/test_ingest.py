"""From photos of every kind to shards, manifest and rejects."""

import filecmp
import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from data.photos import encode, picture, sample, write_tar
from data.workshop import Workshop, manifest, rejects, source
from scenehue.data import ingest
from scenehue.data.decode import decode_rgb
from scenehue.data.shards import PhotoDataset
from scenehue.errors import ArtifactError


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path)


def reencoded(data: bytes, side: int = 300, quality: int = 60) -> bytes:
    image = Image.open(io.BytesIO(data))
    image.thumbnail((side, side))
    return encode(image, quality=quality)


def test_every_kind_of_good_photo_is_kept(workshop):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = (np.asarray(picture(7)).astype(np.uint16) << 8) + 99
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, deep, photometric="rgb")
    good = {
        "plain.jpg": encode(picture(1)),
        "profile.png": encode(picture(2), "PNG", icc_profile=profile),
        "a.webp": encode(picture(3), "WEBP"),
        "palette.png": encode(picture(4).quantize(64), "PNG", transparency=3),
        "cmyk.jpg": encode(picture(5).convert("CMYK")),
        "cmyk.tif": encode(picture(6).convert("CMYK"), "TIFF"),
        "deep.tiff": buffer.getvalue(),
        "alpha.png": encode(picture(8).convert("RGBA"), "PNG"),
        "wrongly-named.png": encode(picture(9)),
    }
    workshop.put(photos=good)
    folder = workshop.build(source("photos"))
    assert list(manifest(folder)) == sorted(good)
    assert rejects(folder) == {}
    photos = PhotoDataset(folder, "train")
    for index, path in enumerate(photos.manifest["path"].to_pylist()):
        assert np.abs(decode_rgb(photos.encoded(index)) - decode_rgb(good[path], short_side=96).astype(int)).mean() < 3


def test_every_kind_of_bad_photo_is_listed_with_its_reason(workshop):
    wide = encode(picture(3, 700, 500))
    bad = {
        "empty.jpg": (b"", "unreadable: empty file"),
        "page.jpg": (b"<!DOCTYPE html>", "unreadable: not a JPEG, PNG, WebP or TIFF photo, whatever its name says"),
        "torn.jpg": (sample("koala")[:-5000], "unreadable: image file is truncated"),
        "torn.png": (encode(picture(2), "PNG")[:-300], "unreadable: "),
        "line.png": (encode(Image.new("RGB", (300, 1), "red"), "PNG"), "too small: 300x1, below min_side (64)"),
        "small.jpg": (encode(picture(2, 63, 200)), "too small: 63x200, below min_side (64)"),
        "grey.jpg": (encode(picture(2).convert("L")), "grey: no |a| or |b| above min_chroma (5)"),
        "huge.jpg": (wide, "decompression bomb: 0.35 megapixels, above max_megapixels (0.34)"),
        "zcopy.jpg": (encode(picture(1)), "exact duplicate of photos/a.jpg"),
        "zlike.jpg": (reencoded(encode(picture(1))), "near duplicate of photos/a.jpg"),
    }
    workshop.put(photos={"a.jpg": encode(picture(1))} | {name: data for name, (data, _) in bad.items()})
    folder = workshop.build(source("photos"), max_megapixels=0.34)
    found = rejects(folder)
    assert list(found) == [f"photos/{name}" for name in sorted(bad)]
    for name, (_, reason) in bad.items():
        assert found[f"photos/{name}"].startswith(reason)
    assert list(manifest(folder)) == ["a.jpg"]
    assert workshop.summary.photos == {"train": 1, "val": 0, "test": 0}
    assert workshop.summary.rejects == {
        "decompression bomb": 1,
        "exact duplicate": 1,
        "grey": 1,
        "near duplicate": 1,
        "too small": 2,
        "unreadable": 4,
    }


@pytest.mark.parametrize("split", ["train", None])
def test_photos_that_could_not_be_read_are_rejected_each_for_itself(workshop, split):
    workshop.put(photos={f"{number}.jpg": encode(picture(number)) for number in range(6)})
    for name in ("lost.jpg", "lost2.jpg"):
        (workshop.root / "photos" / name).symlink_to("nowhere.jpg")
    folder = workshop.build(source("photos", split), splits={"val": 0, "test": 0})
    assert len(manifest(folder)) == 6
    found = rejects(folder)
    assert list(found) == ["photos/lost.jpg", "photos/lost2.jpg"]
    assert all(reason.startswith("unreadable: the file could not be opened") for reason in found.values())
    assert workshop.summary.rejects == {"unreadable": 2}


def test_training_photos_too_like_test_photos_are_the_ones_to_go(workshop):
    one, two, three = (encode(picture(seed, 400, 300)) for seed in (1, 2, 3))
    workshop.put(
        train={"a.jpg": reencoded(one), "b.jpg": two, "c.jpg": reencoded(three), "d.jpg": encode(picture(4))},
        val={"c.jpg": three, "e.jpg": reencoded(two, 200)},
        test={"a.jpg": one, "b.jpg": two},
    )
    folder = workshop.build(source("train"), source("val", "val"), source("test", "test"))
    assert rejects(folder) == {
        "train/a.jpg": "leak: too like the test photo test/a.jpg",
        "train/b.jpg": "exact duplicate of test/b.jpg",
        "train/c.jpg": "leak: too like the val photo val/c.jpg",
        "val/e.jpg": "leak: too like the test photo test/b.jpg",
    }
    assert workshop.summary.photos == {"train": 1, "val": 1, "test": 2}


def test_near_duplicates_never_straddle_splits_that_follow_from_content(workshop):
    photos = {}
    for seed in range(12):
        original = encode(picture(seed, 300, 220))
        photos |= {f"{seed}.jpg": original} | {f"{seed}-{q}.jpg": reencoded(original, 200, q) for q in (40, 85)}
    workshop.put(photos=photos)
    folder = workshop.build(source("photos", None), splits={"val": 0.2, "test": 0.2})
    kept = [path.split(".")[0].split("-")[0] for path in manifest(folder)]
    assert sorted(kept, key=int) == [str(seed) for seed in range(12)]
    assert len(rejects(folder)) == 24
    assert min(workshop.summary.photos.values()) > 0


def test_of_the_first_source_the_photo_stays(workshop):
    workshop.put(one={"z.jpg": encode(picture(1))}, two={"a.jpg": reencoded(encode(picture(1)))})
    assert list(rejects(workshop.build(source("one"), source("two")))) == ["two/a.jpg"]
    assert list(rejects(workshop.build(source("two"), source("one")))) == ["one/z.jpg"]


def test_splits_stay_when_photos_are_added(workshop):
    workshop.put(photos={f"{seed}.jpg": encode(picture(seed)) for seed in range(40)})
    before = {row["id"]: row["split"] for row in manifest(workshop.build(source("photos", None))).values()}
    workshop.put(photos={f"0{seed}.jpg": encode(picture(seed)) for seed in range(40, 60)})
    after = {row["id"]: row["split"] for row in manifest(workshop.build(source("photos", None))).values()}
    assert len(after) == 60
    assert set(before.values()) == {"train", "val", "test"}
    assert {id: after[id] for id in before} == before


def test_a_renamed_photo_keeps_its_split(workshop):
    workshop.put(photos={f"{seed}.jpg": encode(picture(seed)) for seed in range(30)})
    first = {row["id"]: row["split"] for row in manifest(workshop.build(source("photos", None))).values()}
    workshop.put(renamed={f"new{seed}.jpg": encode(picture(seed)) for seed in range(30)})
    assert {row["id"]: row["split"] for row in manifest(workshop.build(source("renamed", None))).values()} == first


def test_manifest_and_shards_agree(workshop):
    workshop.put(photos={"a.jpg": encode(picture(1, 300, 200)), "b.png": encode(picture(2, 200, 300), "PNG")})
    write_tar(workshop.root / "photos/x.tar", {"c.webp": encode(picture(3), "WEBP")})
    (workshop.root / "photos/labels.csv").write_text("tar,file,scene,split\n,b.png,,test\nx.tar,c.webp,sea/shore,\n")
    folder = workshop.build(source("photos", labels="labels.csv"))
    rows = manifest(folder)
    assert list(rows) == ["a.jpg", "b.png", "x.tar!c.webp"]
    assert [row["split"] for row in rows.values()] == ["train", "test", "train"]
    assert [row["scene"] for row in rows.values()] == [None, None, "sea/shore"]
    sizes = [[row[c] for c in ("width", "height", "original_width", "original_height")] for row in rows.values()]
    assert sizes == [[144, 96, 300, 200], [200, 300, 200, 300], [128, 96, 160, 120]]
    assert all(row["mean_chroma"] > 5 and not row["has_segmentation"] for row in rows.values())
    assert PhotoDataset(folder, "test").encoded(0) == encode(picture(2, 200, 300), "PNG")
    for split in ("train", "test"):
        photos = PhotoDataset(folder, split)
        for index, row in enumerate(photos.manifest.to_pylist()):
            assert decode_rgb(photos.encoded(index)).shape == (row["height"], row["width"], 3)


def test_any_number_of_workers_gives_the_same_bytes(workshop, monkeypatch):
    monkeypatch.setattr(ingest, "_WORKER_BYTES", 1)
    monkeypatch.setattr(ingest, "_CHUNK_PHOTOS", 3)
    photos = {f"{seed}.jpg": encode(picture(seed % 17)) for seed in range(20)} | {"bad.jpg": b"", "worse.png": b"x"}
    workshop.put(photos=photos)
    first, *others = (workshop.build(source("photos", None), workers=workers) for workers in (0, 1, 2))
    names = sorted(path.name for path in first.iterdir())
    assert {"manifest.parquet", "rejects.csv", "train-00000.arrow"} <= set(names)
    for other in others:
        assert sorted(path.name for path in other.iterdir()) == names
        assert filecmp.cmpfiles(first, other, names, shallow=False) == (names, [], [])


def test_one_photo_is_enough(workshop):
    workshop.put(photos={"a.jpg": encode(picture(1))})
    assert len(PhotoDataset(workshop.build(source("photos")), "train")) == 1


def test_all_rejected_is_an_error_that_says_why(workshop):
    workshop.put(photos={"a.jpg": b"", "b.jpg": b"x", "c.png": encode(Image.new("RGB", (9, 9)), "PNG")})
    with pytest.raises(ArtifactError) as caught:
        workshop.build(source("photos"))
    assert "no photo is left for training" in str(caught.value)
    assert "rejected: 1 too small, 2 unreadable; photos/a.jpg: unreadable: empty file" in str(caught.value)


def test_nothing_to_train_on_is_an_error(workshop):
    workshop.put(photos={"a.jpg": encode(picture(1))})
    with pytest.raises(ArtifactError, match=r"no photo is left for training \(1 for test; rejected: none\)"):
        workshop.build(source("photos", "test"))


def test_a_photo_that_changes_meanwhile_is_an_error(workshop, monkeypatch):
    workshop.put(photos={"a.jpg": encode(picture(1)), "b.jpg": encode(picture(2))})
    monkeypatch.setattr("scenehue.data.sources.FolderSource.read", lambda *_: encode(picture(3)))
    with pytest.raises(ArtifactError, match=r"photos/a\.jpg has changed since it was listed"):
        workshop.build(source("photos"))
