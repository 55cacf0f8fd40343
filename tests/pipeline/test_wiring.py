"""What reruns when something changes: real ``dvc repro``, with a quick stand-in for the work of the stages."""

import contextlib
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from pipeline.repository import ROOT, Repository, make_repository

# Writes a stage's results as a hash of all that the stage may look at, so that any change of those passes on.
STAND_IN = f"""#!{sys.executable}
import hashlib, pathlib, sys, yaml
stage = sys.argv[1]
pathlib.Path(".dvc/tmp").joinpath("ran").open("a").write(stage + "\\n")
declared = yaml.safe_load(open("dvc.yaml"))["stages"][stage]
digest = hashlib.sha256(repr(yaml.safe_load(open("params.yaml"))[declared["params"][-1].split(".")[0]]).encode())
looked_at = declared["deps"] + (["photos"] if stage == "sources" else [])
for dep in map(pathlib.Path, looked_at):
    for path in sorted(dep.rglob("*")) if dep.is_dir() else [dep]:
        digest.update(path.name.encode() + (path.read_bytes() if path.is_file() else b""))
folder = pathlib.Path("artifacts", stage)
folder.mkdir(parents=True, exist_ok=True)
for name in ("model.json", "model.safetensors", "metrics.json") if stage == "train" else ("result",):
    (folder / name).write_text(digest.hexdigest())
"""
ALL = ["sources", "dataset", "scene_probs", "color_prior", "train", "evaluate"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A repository whose stages have all run."""
    folder = tmp_path_factory.mktemp("wiring")
    command = folder / "bin/scenehue"
    command.parent.mkdir()
    command.write_text(STAND_IN)
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    repository = make_repository(folder / "repository", command.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([str(command.parent), os.environ["PATH"]]))
        assert repro(repository) == ALL
        yield repository


@pytest.fixture
def repository(finished: Repository, tmp_path: Path) -> Repository:
    shutil.copytree(finished.root, tmp_path / "repository", symlinks=True)
    return Repository(tmp_path / "repository", finished.bin)


def repro(repository: Repository) -> list[str]:
    """Stages whose command DVC ran, in order; within this process, which saves DVC's start."""
    log = repository.root / ".dvc/tmp/ran"
    log.unlink(missing_ok=True)
    with contextlib.chdir(repository.root), Repo() as dvc:
        dvc.reproduce()
    return log.read_text().split()


def params(**changes: Any) -> Callable[[Repository], None]:
    return lambda repository: repository.change_params(**changes)


def code(path: str) -> Callable[[Repository], None]:
    def append(repository: Repository) -> None:
        with (repository.root / "src/scenehue" / path).open("a") as file:
            file.write("\n# changed\n")

    return append


def where_it_is_computed(repository: Repository) -> None:
    repository.change_params(machine={"workers": 1}, tracking={"experiment": "another"})
    for file in ("cli.py", "params.py", "tracking/sink.py"):
        code(file)(repository)


def another_photo(repository: Repository) -> None:
    shutil.copy(next((repository.root / "photos").iterdir()), repository.root / "photos/another.jpg")


@pytest.mark.parametrize(
    ("change", "rerun"),
    [
        pytest.param(where_it_is_computed, [], id="nothing that counts"),
        pytest.param(another_photo, ALL[1:], id="a photo"),
        pytest.param(params(dataset={"jpeg_quality": 90}), ALL[1:], id="dataset"),
        pytest.param(params(scene_probs={"batch_size": 8}), ["scene_probs", "train", "evaluate"], id="scene_probs"),
        pytest.param(params(color_prior={"sigma": 4.0}), ["color_prior", "train", "evaluate"], id="color_prior"),
        pytest.param(params(train={"seed": 1}), ["train", "evaluate"], id="train"),
        pytest.param(params(evaluate={"seed": 1}), ["evaluate"], id="evaluate"),
        pytest.param(code("models/network.py"), ["train", "evaluate"], id="code of the network"),
        pytest.param(code("evaluation/report.py"), ["evaluate"], id="code of the report"),
    ],
)
def test_exactly_the_stages_that_a_change_concerns_run_again(
    repository: Repository, change: Callable[[Repository], None], rerun: list[str]
) -> None:
    change(repository)
    assert repro(repository) == ["sources", *rerun]


def test_an_experiment_changes_params_and_leaves_the_workspace_alone(repository: Repository) -> None:
    # The project's own file, since DVC writes it anew in its own style.
    shutil.copy(ROOT / "params.yaml", repository.root)
    repository.run("git", "add", "--all")
    repository.run("git", "commit", "--quiet", "--message", "results")
    repository.run("dvc", "exp", "run", "--temp", "--name", "faster", "--set-param", "train.learning_rate=0.01")
    assert (repository.root / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()
    shown = repository.run("dvc", "exp", "diff", "HEAD", "faster", "--md", "--param-deps").stdout
    assert "| train.learning_rate" in shown
