from __future__ import annotations

import subprocess

import pytest
import yaml

from scenehue.registry.connection import RegistryError
from scenehue.registry.register import register
from scenehue.registry.restore import restore

pytestmark = pytest.mark.usefixtures("quick")
RECIPE = ("params.yaml", "dvc.yaml", "dvc.lock")


@pytest.fixture
def clone(repository, tmp_path):
    """A fresh clone at the commit that version 1 was made with; that one's lock file was never committed."""
    repository.train(0.5)
    register(repository.params, repository.root)
    subprocess.run(["git", "clone", "--quiet", str(repository.root), str(tmp_path / "clone")], check=True)
    return tmp_path / "clone"


def test_the_recipe_comes_back_with_equal_bytes(repository, clone):
    assert not (clone / "dvc.lock").exists()
    for _ in range(2):  # what was restored is no obstacle to restoring
        assert restore(repository.params, clone, 1).number == 1
        for name in RECIPE:
            assert (clone / name).read_bytes() == (repository.root / name).read_bytes()


def test_another_commit_and_changed_files_are_refused_with_what_to_type(repository, clone):
    commit = repository.git("rev-parse", "HEAD")
    content = yaml.safe_load((clone / "params.yaml").read_text())
    (clone / "params.yaml").write_text(yaml.safe_dump(content | {"color_prior": {"sigma": 4}}))
    with pytest.raises(RegistryError, match=r"\(params\.yaml\): type `git stash"):
        restore(repository.params, clone, "challenger")
    subprocess.run(["git", "-C", str(clone), "checkout", "--quiet", "params.yaml"], check=True)
    (clone / "src/code.py").write_text("x = 3\n")
    with pytest.raises(RegistryError, match=r"\(src/code\.py\)"):
        restore(repository.params, clone, 1)
    who = ["-c", "user.name=A", "-c", "user.email=a@localhost"]
    subprocess.run(["git", "-C", str(clone), *who, "commit", "--quiet", "--all", "--message", "next"], check=True)
    with pytest.raises(RegistryError, match=f"type `git checkout {commit}`"):
        restore(repository.params, clone, 1)
    assert not (clone / "dvc.lock").exists()


def test_outside_of_a_clone_it_says_so(repository, clone, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(RegistryError, match="no clone"):
        restore(repository.params, tmp_path / "elsewhere", 1)
