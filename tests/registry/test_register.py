from __future__ import annotations

import json

import pytest
import yaml
from mlflow import MlflowClient

from registry.kills import every_moment, killed_at, sweep
from scenehue.errors import ArtifactError
from scenehue.registry.connection import RegistryError
from scenehue.registry.files import FILES_TAG
from scenehue.registry.package import MODEL
from scenehue.registry.register import register
from scenehue.registry.versions import Registry
from scenehue.tracking.runs import CHECKPOINT_TAG

pytestmark = pytest.mark.usefixtures("quick")


def test_a_version_carries_all_that_is_needed_to_rebuild_it(repository):
    digest = repository.train(0.6)
    version = register(repository.params, repository.root)
    assert (version.number, version.aliases, version.checkpoint) == (1, ("challenger",), digest)
    assert version.commit == repository.git("rev-parse", "HEAD")
    assert version.tags["scenehue.git_dirty"] == "false"
    assert json.loads(version.tags["scenehue.photos"]) == {"photos": 13, "train": 2, "val": 1, "test": 10}
    assert version.metrics["reg"]["psnr"] > version.metrics["grey"]["psnr"]
    package = Registry.open(repository.params, repository.root).fetch(version)
    for name in ("params.yaml", "dvc.yaml", "dvc.lock"):
        assert (package / "recipe" / name).read_bytes() == (repository.root / name).read_bytes()
    for stage, place in (
        ("train/model.safetensors", MODEL),
        ("train/model.json", MODEL),
        ("train/curves.csv", "train"),
    ):
        original = repository.root / "artifacts" / stage
        assert (package / place / original.name).read_bytes() == original.read_bytes()
    assert "above grey" in (package / MODEL / "MODEL_CARD.md").read_text()
    assert (package / "evaluate/photos.parquet").is_file()
    ids = [line.split(",") for line in (package / "photos.csv").read_text().replace('"', "").splitlines()]
    assert ids[0] == ["id", "split"]
    assert sorted(split for _, split in ids[1:]) == ["test"] * 10 + ["train"] * 2 + ["val"]


def test_the_run_that_trained_is_rebuilt_where_it_is_unknown_and_found_where_it_is_known(repository, store):
    repository.train(0.6)
    version = register(repository.params, repository.root)
    run = MlflowClient(store).get_run(version.run_id)
    assert run.data.tags["scenehue.rebuilt"] == "true"
    assert run.data.tags[CHECKPOINT_TAG] == version.checkpoint
    assert run.data.metrics["val_loss"] == pytest.approx(0.4)


def test_one_checkpoint_gives_one_version_whatever_came_between(repository):
    repository.train(0.6)
    first = register(repository.params, repository.root)
    repository.train(0.7)
    assert register(repository.params, repository.root).number == 2
    repository.train(0.6)
    again = register(repository.params, repository.root)
    assert again.number == first.number
    assert again.aliases == ("challenger",)
    assert len(Registry.open(repository.params, repository.root).versions()) == 2


def test_code_that_is_not_committed_is_refused_or_recorded(repository):
    repository.train(0.6)
    (repository.root / "src/code.py").write_text("x = 2\n")
    with pytest.raises(RegistryError, match=r"src/code\.py.*--allow-dirty"):
        register(repository.params, repository.root)
    version = register(repository.params, repository.root, allow_dirty=True)
    assert version.tags["scenehue.git_dirty"] == "true"
    assert version.tags["scenehue.git_changed"] == "src/code.py"


def test_results_that_are_not_those_of_the_lock_are_refused_or_recorded(repository):
    repository.train(0.6)
    (repository.root / "artifacts/train/metrics.json").write_text('{"val_loss": 0}')
    with pytest.raises(RegistryError, match=r"artifacts/train is not what dvc\.lock"):
        register(repository.params, repository.root)
    repository.lock()
    changed = yaml.safe_load((repository.root / "params.yaml").read_text())
    changed["train"]["size"] = 64
    (repository.root / "params.yaml").write_text(yaml.safe_dump(changed))
    with pytest.raises(RegistryError, match=r"params\.yaml: train"):
        register(repository.params, repository.root)
    version = register(repository.params, repository.root, allow_dirty=True)
    assert version.tags["scenehue.git_changed"] == "params.yaml: train"


def test_what_is_missing_is_named(repository):
    with pytest.raises(ArtifactError, match=r"artifacts/train/model\.safetensors"):
        register(repository.params, repository.root)
    digest = repository.train(0.6)
    (repository.root / "dvc.lock").unlink()
    with pytest.raises(ArtifactError, match=r"dvc\.lock"):
        register(repository.params, repository.root)
    (repository.root / "artifacts/evaluate/photos.parquet").unlink()
    with pytest.raises(ArtifactError, match="run the stage evaluate"):
        register(repository.params, repository.root)
    assert Registry.open(repository.params, repository.root, create=True).by_checkpoint(digest) is None


def test_the_evaluation_of_another_model_is_refused(repository):
    repository.train(0.6)
    evaluate = repository.root / "artifacts/evaluate"
    evaluate.rename(repository.root / "kept")
    repository.train(0.7)
    for path in (repository.root / "kept").iterdir():
        path.replace(evaluate / path.name)
    with pytest.raises(ArtifactError, match="another model"):
        register(repository.params, repository.root)


def test_nothing_appears_before_the_push_has_succeeded(repository):
    repository.train(0.6)

    def fail():
        raise RegistryError("`dvc push` failed")

    with pytest.raises(RegistryError, match="dvc push"):
        register(repository.params, repository.root, push=fail)
    assert Registry.open(repository.params, repository.root).versions() == []
    pushed = []
    assert register(repository.params, repository.root, push=lambda: pushed.append(1)).number == 1
    assert pushed == [1]


@every_moment
def test_killed_at_any_moment_a_rerun_mends_it(repository, stride):
    """Each call that changes the store is the last one in turn; in between, no version is ever seen half made."""
    step = 0
    while True:
        digest = repository.train(0.3 + step / 50)
        with killed_at(step) as calls:
            version = register(repository.params, repository.root)
        sweep(repository.params.tracking.uri)
        registry = Registry.open(repository.params, repository.root)
        seen = registry.by_checkpoint(digest)
        if seen is not None:
            registry.fetch(seen)
        if not calls.killed:
            break
        version = register(repository.params, repository.root)
        assert version.checkpoint == digest
        assert version.aliases == ("challenger",)
        assert version.tags[FILES_TAG]
        registry.fetch(version)
        assert [other.checkpoint for other in registry.versions()].count(digest) == 1
        step += stride
    assert step > 5
    assert version.number == step // stride + 1
