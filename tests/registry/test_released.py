from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from registry.kills import every_moment, killed_at, sweep
from scenehue.registry import released
from scenehue.registry.connection import RegistryError
from scenehue.registry.promote import rollback
from scenehue.registry.promotion_rule import SmokeTest
from scenehue.registry.register import register
from scenehue.registry.released import register_released
from scenehue.registry.restore import restore
from scenehue.registry.versions import Registry
from scenehue.tracking.runs import checkpoint_digest

WEIGHTS = Path(released.__file__).parents[1] / "released"


@pytest.fixture
def _copied(monkeypatch, quick):
    """Packages that are quick to make also of the released weights, whose graph is there."""

    def build_package(folder, model, attached=()):
        shutil.copytree(model, folder / "artifacts/model")
        return released_list(folder)

    from scenehue.registry.files import list_files as released_list

    monkeypatch.setattr(released, "build_package", build_package)


@pytest.mark.usefixtures("_copied")
def test_they_are_version_1_and_champion_once_and_for_all(repository):
    version = register_released(repository.params, repository.root)
    assert (version.number, version.aliases, version.verdict) == (1, ("champion",), "promoted")
    assert version.checkpoint == checkpoint_digest(WEIGHTS)
    assert version.description.startswith((WEIGHTS / "MODEL_CARD.md").read_text())
    assert "released" in version.verdict_text
    assert register_released(repository.params, repository.root) == version
    registry = Registry.open(repository.params, repository.root)
    assert (registry.fetch(version) / "artifacts/model/model.onnx").read_bytes() == (
        WEIGHTS / "model.onnx"
    ).read_bytes()
    with pytest.raises(RegistryError, match="no recipe"):
        restore(repository.params, repository.root, 1)
    with pytest.raises(RegistryError, match="no previous"):
        rollback(repository.params, repository.root)


@pytest.mark.usefixtures("_copied")
def test_a_registry_that_has_versions_keeps_its_own(repository):
    repository.train(0.4)
    register(repository.params, repository.root)
    with pytest.raises(RegistryError, match="champion"):
        register_released(repository.params, repository.root)


@every_moment
@pytest.mark.usefixtures("_copied")
def test_killed_at_any_moment_a_rerun_mends_it(repository, empty_store, tmp_path, stride):
    step, killed = 0, True
    while killed:
        for place in ("mlartifacts", "cache"):
            shutil.rmtree(tmp_path / place, ignore_errors=True)
        uri = f"sqlite:///{tmp_path}/{step}.db"
        shutil.copy(empty_store, tmp_path / f"{step}.db")
        repository.set_params({"tracking": {"uri": uri}})
        with killed_at(step) as calls:
            register_released(repository.params, repository.root)
        sweep(uri)
        killed = calls.killed
        version = register_released(repository.params, repository.root)
        assert (version.number, version.aliases, version.verdict) == (1, ("champion",), "promoted")
        step += stride
    assert step > 9


@pytest.mark.usefixtures("_copied")
def test_a_package_that_does_not_work_is_not_crowned(repository, monkeypatch):
    monkeypatch.setattr(released, "smoke_test", lambda *_: SmokeTest(False, "It broke."))
    with pytest.raises(RegistryError, match="It broke"):
        register_released(repository.params, repository.root)
    version = Registry.open(repository.params, repository.root).get(1)
    assert (version.aliases, version.verdict) == ((), "refused")
