"""COCO-Stuff, DIV2K and a bucket, from servers on loopback that misbehave, through all stages."""

import json
from collections import Counter
from itertools import count
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.coco import PHOTOS, coco_archives, div2k_archives, sha256
from data.servers import KEYS, Fault, FileServer, rclone_bucket
from pipeline.repository import make_repository

pytestmark = pytest.mark.stack

ALL = ["sources", "dataset", "scene_probs", "color_prior", "train", "evaluate"]
ZIPS = {"train": "train2017.zip", "val": "val2017.zip", "maps": "stuffthingmaps.zip"}


@pytest.fixture
def server():
    server = FileServer()
    files = coco_archives(9, 3, without_map=2) | div2k_archives(2, start=12)
    server.files = {f"/{name}": data for name, data in files.items()}
    requests = count()
    # Of every three answers one is an error that passes, one ends early, and one is well.
    server.fault = lambda request: (Fault(503), Fault(bytes=50_000), None)[next(requests) % 3]
    yield server
    server.close()


def test_the_papers_data_goes_through_all_stages(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)

    def archive(name: str) -> dict[str, str]:
        return {"address": f"{server.address}/{name}", "checksum": sha256(server.files[f"/{name}"])}

    repository = make_repository(tmp_path / "repository")
    with rclone_bucket(tmp_path / "store") as bucket:
        bucket.put(**{f"mine/{path.name}": path.read_bytes() for path in PHOTOS[14:17]})
        coco = {"kind": "coco-stuff", "val_split": "val", "val_share": 0.0} | {k: archive(z) for k, z in ZIPS.items()}
        div2k = {"kind": "div2k", "full": archive("DIV2K_valid_HR.zip")}
        mine = {"kind": "s3", "address": "s3://photos/mine", "endpoint": bucket.endpoint, "split": "train"}
        repository.change_params(dataset={"sources": [coco, div2k, mine]}, train={"model": {"segmentation_stride": 4}})
        assert repository.repro() == ALL
        rows = pq.read_table(repository.root / "artifacts/dataset/manifest.parquet").to_pylist()
        assert Counter((row["source"], row["split"], row["has_segmentation"]) for row in rows) == {
            (0, "train", True): 7,
            (0, "train", False): 2,
            (0, "val", True): 3,
            (1, "test", False): 2,
            (2, "train", False): 3,
        }
        metrics = json.loads((repository.root / "artifacts/evaluate/metrics.json").read_text())
        assert {"grey", "reg", "mode"} <= metrics.keys()
        asked = len(server.requests)
        assert repository.repro() == ["sources"]
        bucket.put(**{"mine/new.jpg": PHOTOS[17].read_bytes()})
        assert repository.repro("dataset") == ["sources", "dataset"]
    assert len(server.requests) == asked
    after = pq.read_table(repository.root / "artifacts/dataset/manifest.parquet").to_pylist()
    assert len(after) == len(rows) + 1
    # Neither the archives nor what is remembered of photographs is anything that DVC or Git looks at.
    assert repository.run("git", "status", "--porcelain").stdout.split() == ["M", "params.yaml", "??", "dvc.lock"]
