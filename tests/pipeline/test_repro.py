"""The real stages under real ``dvc repro``, on a dozen photographs."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.repository import PHOTOS, ROOT, Repository, make_repository

ALL = ["sources", "dataset", "scene_probs", "color_prior", "train", "evaluate"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return make_repository(tmp_path_factory.mktemp("repro") / "repository")


def splits(repository: Repository) -> dict[str, str]:
    manifest = pq.read_table(repository.root / "artifacts/dataset/manifest.parquet", columns=["id", "split"])
    return dict(zip(*manifest.to_pydict().values(), strict=True))


def test_a_wrong_key_fails_before_any_work(repository: Repository) -> None:
    path = repository.root / "params.yaml"
    right = path.read_text()
    path.write_text(yaml.safe_dump(yaml.safe_load(right) | {"evaluate": {"bootstrap": 1, "bootstrab": 1}}))
    failed = repository.run("dvc", "repro", check=False)
    path.write_text(right)
    assert failed.returncode != 0
    assert "evaluate.bootstrap" in failed.stderr
    assert "evaluate.bootstrab" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (repository.root / "artifacts").exists()


def test_everything_runs_once_and_then_nothing_does(repository: Repository) -> None:
    assert repository.repro() == ALL
    assert set(splits(repository).values()) == {"train", "val", "test"}
    metrics = json.loads((repository.root / "artifacts/evaluate/metrics.json").read_text())
    assert {"grey", "reg", "mode"} <= metrics.keys()
    shown = json.loads(repository.run("dvc", "metrics", "show", "--json").stdout)
    assert shown[""]["data"]["artifacts/evaluate/metrics.json"]["data"] == metrics
    assert repository.run("git", "status", "--porcelain").stdout.split() == ["??", "dvc.lock"]
    assert repository.repro() == ["sources"]


def test_a_changed_param_reruns_its_stage_alone(repository: Repository) -> None:
    repository.change_params(evaluate={"bootstrap": 200})
    assert repository.repro() == ["sources", "evaluate"]


def test_another_photo_reruns_what_sees_photos_and_no_photo_moves_split(repository: Repository) -> None:
    before = splits(repository)
    assert len(before) == PHOTOS
    for photo in sorted((ROOT / "data/sample").glob("*.jpg"))[PHOTOS : PHOTOS + 3]:
        shutil.copy(photo, repository.root / "photos" / f"a-{photo.name}")
    assert repository.repro() == ALL
    after = splits(repository)
    assert len(after) == PHOTOS + 3
    assert {photo: after[photo] for photo in before} == before
