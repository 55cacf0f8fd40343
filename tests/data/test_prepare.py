"""What is kept of a photo, and why others are refused."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

from data.photos import encode, picture, sample
from scenehue.data.listing import Entry
from scenehue.data.prepare import full_name, prepare, prepare_all, split_of
from scenehue.errors import ArtifactError, PhotoError
from scenehue.params import DatasetParams, Source

PARAMS = DatasetParams(sources=(Source(kind="folder", path="my/photos"),), short_side=100)


def entry_of(data: bytes, split: str = "train", member: str = "", map: bytes = b"") -> Entry:
    hash, map_hash = (hashlib.sha256(file).hexdigest() for file in (data, map))
    return Entry(0, "folder", "a.jpg", member, 0, len(data), hash, split, map_size=len(map), map_hash=map_hash)


@pytest.mark.parametrize("split", ["train", "val"])
def test_photos_are_scaled_and_stored_with_all_their_chroma(split):
    data = sample("koala")
    prepared = prepare(data, entry_of(data, split), PARAMS)
    stored = Image.open(io.BytesIO(prepared.photo))
    original = Image.open(io.BytesIO(data))
    assert stored.format == "JPEG"
    assert {component[1:3] for component in stored.layer} == {(1, 1)}
    assert stored.size == (prepared.width, prepared.height)
    assert min(stored.size) == 100
    assert (prepared.original_width, prepared.original_height) == original.size
    assert np.abs(np.asarray(stored, float) - np.asarray(original.resize(stored.size, Image.Resampling.BOX))).mean() < 5


def test_test_photos_stay_untouched():
    data = sample("koala")
    prepared = prepare(data, entry_of(data, "test"), PARAMS)
    assert prepared.photo is data
    assert (prepared.width, prepared.height) == (prepared.original_width, prepared.original_height)
    assert (prepared.width, prepared.height) == Image.open(io.BytesIO(data)).size


def test_mean_chroma_is_that_of_all_pixels():
    data = sample("scarlet-macaw")
    expected = np.hypot(*np.moveaxis(rgb2lab(Image.open(io.BytesIO(data)))[..., 1:], -1, 0)).mean()
    assert prepare(data, entry_of(data), PARAMS).mean_chroma == pytest.approx(expected, rel=0.1)


def tinted(b: float) -> bytes:
    """A grey photo with one pixel of the given b."""
    pixels = np.full((120, 120, 3), 128, np.uint8)
    pixels[57, 31] = (128, 128, 128 - b)
    return encode(Image.fromarray(pixels), "PNG")


def test_one_coloured_pixel_is_enough_but_a_hint_of_colour_is_not():
    params = PARAMS.model_copy(update={"short_side": 256})
    assert np.abs(rgb2lab(np.array([128, 128, 128 - 8], np.uint8))).max(initial=0, where=[False, True, True]) < 5
    with pytest.raises(PhotoError, match=r"^my/photos/a\.jpg: grey: no \|a\| or \|b\| above min_chroma \(5\)$"):
        prepare(tinted(8), entry_of(tinted(8)), params)
    assert prepare(tinted(40), entry_of(tinted(40)), params).mean_chroma < 0.1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "unreadable: empty file"),
        (b"<html>", "unreadable: not a JPEG"),
        (sample("koala")[:9000], "unreadable: image file is truncated"),
        (encode(Image.new("RGB", (500, 1), "red"), "PNG"), "too small: 500x1"),
        (encode(Image.new("RGB", (63, 64), "red"), "PNG"), "too small: 63x64"),
        (encode(picture(1).convert("L")), "grey: "),
        (encode(picture(1).convert("L").convert("RGB")), "grey: "),
    ],
)
def test_unusable_photos_are_refused_with_the_reason(data, reason):
    with pytest.raises(PhotoError) as caught:
        prepare(data, entry_of(data), PARAMS)
    assert caught.value.reason.startswith(reason)


def test_a_file_that_has_changed_since_is_an_error():
    with pytest.raises(ArtifactError, match=r"my/photos/a\.jpg has changed since it was listed; run the stage sources"):
        prepare(encode(picture(1)), entry_of(encode(picture(2))), PARAMS)


def test_names_for_people():
    assert full_name(PARAMS.sources[0], entry_of(b"", member="b/c.jpg")) == "my/photos/a.jpg!b/c.jpg"


def test_splits_follow_from_the_content_and_keep_their_shares():
    params = DatasetParams.model_validate({"splits": {"val": 0.1, "test": 0.15}})
    entries = [entry_of(str(number).encode(), split="") for number in range(20_000)]
    splits = [split_of(entry, params) for entry in entries]
    shares = {split: splits.count(split) / len(splits) for split in ("train", "val", "test")}
    assert shares == pytest.approx({"train": 0.75, "val": 0.1, "test": 0.15}, abs=0.01)
    more = DatasetParams.model_validate({"splits": {"val": 0.3, "test": 0.15}})
    assert all(split_of(e, more) == split for e, split in zip(entries, splits, strict=True) if split != "train")


def test_a_given_split_counts_more_than_the_content():
    assert [split_of(entry_of(b"1", split), PARAMS) for split in ("train", "val", "test")] == ["train", "val", "test"]


def segmentation(width: int, height: int, dtype=np.uint8) -> bytes:
    return encode(Image.fromarray(np.arange(width * height).reshape(height, width).astype(dtype)), "PNG")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_segmentation_maps_are_scaled_without_mixing_classes(dtype):
    data, png = encode(picture(1, 300, 200)), segmentation(300, 200, dtype)
    prepared = prepare(data, entry_of(data, map=png), PARAMS, png)
    classes = np.asarray(Image.open(io.BytesIO(prepared.segmentation)))
    assert classes.shape == (100, 150)
    original = np.arange(300 * 200).reshape(200, 300).astype(dtype)
    assert (classes == original[1::2, 1::2]).all() or (classes == original[::2, ::2]).all()
    assert prepare(data, entry_of(data, "test", map=png), PARAMS, png).segmentation == png


@pytest.mark.parametrize("png", [segmentation(200, 300), b"no png", segmentation(300, 200)[:200]])
def test_segmentation_maps_that_do_not_fit_are_refused(png):
    data = encode(picture(1, 300, 200))
    with pytest.raises(PhotoError, match="unreadable: its segmentation map"):
        prepare(data, entry_of(data, map=png), PARAMS, png)


def test_a_segmentation_map_that_was_listed_otherwise_is_an_error():
    data = encode(picture(1, 300, 200))
    with pytest.raises(ArtifactError, match=r"my/photos/a\.jpg has changed since it was listed"):
        prepare(data, entry_of(data, map=segmentation(300, 200)), PARAMS, segmentation(300, 200, np.uint16))


class Shelf:
    """A source whose photos' bytes are their paths."""

    def read(self, entry):
        return {"good.jpg": encode(picture(1)), "bad.jpg": b""}[entry.path]

    def segmentation(self, entry):
        return None


def test_a_reason_stands_in_the_place_of_each_refused_photo():
    entries = [
        Entry(0, "folder", name, "", 0, len(data), hashlib.sha256(data).hexdigest(), "train")
        for name, data in {"bad.jpg": b"", "good.jpg": encode(picture(1))}.items()
    ]
    bad, good = prepare_all([Shelf()], PARAMS, entries)
    assert bad == "unreadable: empty file"
    assert (good.width, good.height) == (133, 100)
