"""COCO-Stuff and DIV2K from a server on loopback to a data set."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.coco import PHOTOS, coco_archives, div2k_archives, panoptic_map, sha256
from data.servers import FileServer
from scenehue.data import public
from scenehue.data.coco_classes import from_panoptic
from scenehue.data.listing import read_listing
from scenehue.data.shards import PhotoDataset
from scenehue.errors import ArtifactError
from scenehue.params import Archive, CocoStuffSource, DatasetParams, Div2kSource, MachineParams, Params
from scenehue.stages import dataset, sources

TRAIN, VAL, BARE, DIV2K = 14, 4, 2, 3


@pytest.fixture(scope="module")
def archives():
    return coco_archives(TRAIN, VAL, BARE) | div2k_archives(DIV2K, start=TRAIN + VAL)


@pytest.fixture
def server(archives):
    server = FileServer()
    server.files = {f"/{name}": data for name, data in archives.items()}
    yield server
    server.close()


def archive(server: FileServer, name: str) -> Archive:
    return Archive(address=f"{server.address}/{name}", checksum=sha256(server.files[f"/{name}"]))


def coco(server: FileServer, **options) -> CocoStuffSource:
    zips = {"train": "train2017.zip", "val": "val2017.zip", "maps": "stuffthingmaps.zip"}
    return CocoStuffSource(
        **{"kind": "coco-stuff", "val_share": 0.2} | {key: archive(server, zips[key]) for key in zips} | options
    )


def div2k(server: FileServer, **options) -> Div2kSource:
    zips = {"full": "DIV2K_valid_HR.zip", "x4": "DIV2K_valid_LR_bicubic_X4.zip"}
    return Div2kSource(kind="div2k", **{key: archive(server, name) for key, name in zips.items()}, **options)


def params(*photos, **options) -> Params:
    return Params(dataset=DatasetParams(sources=photos, short_side=96, **options), machine=MachineParams(workers=0))


def listed(root, *photos):
    sources.run(params(*photos), root)
    return read_listing(root / "artifacts/sources/listing.csv")


def test_coco_goes_all_the_way_with_its_maps(server, tmp_path):
    wanted = params(coco(server, val_split="val"), div2k(server))
    sources.run(wanted, tmp_path)
    dataset.run(wanted, tmp_path)
    photos = PhotoDataset(tmp_path / "artifacts/dataset")
    assert (tmp_path / "artifacts/dataset/rejects.csv").read_text() == "file,reason\n"
    rows = photos.manifest.to_pylist()
    assert Counter((row["path"].split("!")[0], row["has_segmentation"]) for row in rows) == {
        ("train2017.zip", True): TRAIN - BARE,
        ("train2017.zip", False): BARE,
        ("val2017.zip", True): VAL,
        ("DIV2K_valid_HR.zip", False): DIV2K,
    }
    assert {row["split"] for row in rows if row["path"].startswith("val2017")} == {"val"}
    for index, row in enumerate(rows):
        png = photos.segmentation(index)
        assert (png is not None) == row["has_segmentation"]
        if png is None:
            continue
        number = int(row["path"][-16:-4]) // 37
        values = np.asarray(Image.open(io.BytesIO(png)))
        full = from_panoptic(panoptic_map(row["original_width"], row["original_height"], number))
        assert values.shape == (row["height"], row["width"])
        # Blocks are 20 pixels wide: the middle of each is the same in the smaller map.
        y, x = (np.arange(10, side, 20) for side in full.shape)
        scale = values.shape[0] / full.shape[0], values.shape[1] / full.shape[1]
        inside = values[((y + 0.5) * scale[0]).astype(int)][:, ((x + 0.5) * scale[1]).astype(int)]
        assert (inside == full[y][:, x]).mean() > 0.99


def test_every_photo_of_coco_is_listed_with_its_own_bytes_and_split(server, tmp_path):
    source = coco(server)
    entries = listed(tmp_path, source)
    assert [entry.size for entry in entries] == [path.stat().st_size for path in PHOTOS[: TRAIN + VAL]]
    assert entries[TRAIN].name == f"val2017.zip!val2017/{TRAIN * 37:012}.jpg"
    splits = Counter((entry.path, entry.split) for entry in entries)
    assert splits["val2017.zip", "test"] == VAL
    assert splits["train2017.zip", "train"] + splits["train2017.zip", "val"] == TRAIN
    assert min(splits.values()) > 0
    assert sum(bool(entry.map_hash) for entry in entries) == TRAIN + VAL - BARE
    assert {entry.split for entry in listed(tmp_path, coco(server, val_share=0, val_split="val"))} == {"train", "val"}


def test_parts_of_coco_can_be_left_out(server, tmp_path):
    entries = listed(tmp_path, coco(server, train=None, maps=None))
    assert {entry.path for entry in entries} == {"val2017.zip"}
    assert not any(entry.map_hash for entry in entries)
    assert {request.path for request in server.requests} == {"/val2017.zip"}


@pytest.mark.parametrize(("size", "name"), [("full", "DIV2K_valid_HR"), ("x4", "DIV2K_valid_LR_bicubic_X4")])
def test_div2k_is_for_testing(server, tmp_path, size, name):
    entries = listed(tmp_path, div2k(server, size=size))
    assert [(entry.path, entry.split) for entry in entries] == [(f"{name}.zip", "test")] * DIV2K
    assert {request.path for request in server.requests} == {f"/{name}.zip"}
    folder = "DIV2K_valid_HR/0801.png" if size == "full" else "DIV2K_valid_LR_bicubic/X4/0801x4.png"
    assert entries[0].member == folder


def test_once_all_is_there_no_server_is_needed_and_the_listing_is_the_same(server, tmp_path):
    source = coco(server), div2k(server)
    entries = listed(tmp_path, *source)
    listing = (tmp_path / "artifacts/sources/listing.csv").read_bytes()
    server.close()
    assert listed(tmp_path, *source) == entries
    assert (tmp_path / "artifacts/sources/listing.csv").read_bytes() == listing


def test_unchanged_archives_are_not_listed_again(server, tmp_path, monkeypatch):
    (tmp_path / ".dvc").mkdir()
    entries = listed(tmp_path, coco(server), div2k(server))
    with monkeypatch.context() as patch:
        patch.setattr(public.CocoStuff, "entries", lambda *_: pytest.fail("listed again"))
        assert listed(tmp_path, coco(server), div2k(server)) == entries
    assert len(list((tmp_path / ".dvc/tmp/scenehue-listing").iterdir())) == 2
    moved = listed(tmp_path, div2k(server), coco(server))
    assert [entry._replace(source=1 - entry.source) for entry in moved] == entries[-DIV2K:] + entries[:-DIV2K]
    (tmp_path / "downloads/coco-stuff/train2017.zip").write_bytes(coco_archives(2, 0)["train2017.zip"])
    assert len(listed(tmp_path, coco(server, train=archive(server, "train2017.zip")))) == TRAIN + VAL
    bare = coco(server, train=archive(server, "train2017.zip").model_copy(update={"checksum": None}))
    (tmp_path / "downloads/coco-stuff/train2017.zip").write_bytes(coco_archives(2, 0)["train2017.zip"])
    assert len(listed(tmp_path, bare)) == 2 + VAL
    assert len(list((tmp_path / ".dvc/tmp/scenehue-listing").iterdir())) == 1


def test_other_code_lists_again(server, tmp_path, monkeypatch):
    (tmp_path / ".dvc").mkdir()
    listed(tmp_path, div2k(server))
    changed = tmp_path / "public.py"
    changed.write_bytes(Path(public.__file__).read_bytes() + b"# changed\n")
    monkeypatch.setattr(public, "__file__", str(changed))
    again = []
    entries = public.Div2k.entries
    monkeypatch.setattr(public.Div2k, "entries", lambda *given: again.append(1) or entries(*given))
    listed(tmp_path, div2k(server))
    assert again == [1]


def test_a_mirror_with_the_same_checksum_changes_nothing(server, tmp_path):
    entries = listed(tmp_path, div2k(server))
    before = len(server.requests)
    mirror = archive(server, "DIV2K_valid_HR.zip").model_copy(update={"address": "https://mirror.example/x.zip"})
    assert listed(tmp_path, div2k(server).model_copy(update={"full": mirror})) == entries
    assert len(server.requests) == before


def test_downloads_may_lie_elsewhere(server, tmp_path):
    wanted = params(div2k(server)).model_copy(
        update={"machine": MachineParams(workers=0, downloads=str(tmp_path / "disk"))}
    )
    sources.run(wanted, tmp_path / "root")
    assert (tmp_path / "disk/div2k/DIV2K_valid_HR.zip").is_file()


def test_another_archive_in_its_place_is_an_error(server, tmp_path):
    with pytest.raises(ArtifactError, match=r"train2017\.zip has no photo in a folder train2017; is its address"):
        listed(tmp_path, coco(server, train=archive(server, "val2017.zip")))


def test_a_changed_map_is_a_change_of_the_listing(server, tmp_path, archives):
    before = listed(tmp_path, coco(server))
    server.files["/other.zip"] = coco_archives(TRAIN, VAL, BARE + 1)["stuffthingmaps.zip"]
    after = listed(tmp_path, coco(server, maps=archive(server, "other.zip")))
    changed = [new.member for old, new in zip(before, after, strict=True) if old.map_hash != new.map_hash]
    assert changed == [f"train2017/{BARE * 37:012}.jpg"]
