from __future__ import annotations

import subprocess
import sys

import yaml

from scenehue.registry.recipe import folder_md5, unlike_lock


def test_a_folders_digest_is_dvcs(tmp_path):
    """DVC itself says so."""
    folder = tmp_path / "artifacts/train"
    (folder / "deep/er").mkdir(parents=True)
    for name, content in (("b.txt", "two"), ("a.json", "{}"), ("deep/er/c", ""), ("Z", "capital"), ("ü.txt", "ü")):
        (folder / name).write_text(content)
    for command in (["init", "--no-scm", "--quiet"], ["add", "--quiet", "artifacts/train"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=tmp_path, check=True, capture_output=True)
    (out,) = yaml.safe_load((tmp_path / "artifacts/train.dvc").read_text())["outs"]
    assert folder_md5(folder) == out["md5"]


def test_what_differs_from_the_lock_is_named(repository):
    repository.train(0.5)
    assert unlike_lock(repository.root) == []
    (repository.root / "artifacts/evaluate/new.txt").write_text("more")
    content = yaml.safe_load((repository.root / "params.yaml").read_text())
    content["promotion"]["min_photos"] = 9  # no stage depends on it
    (repository.root / "params.yaml").write_text(yaml.safe_dump(content))
    assert unlike_lock(repository.root) == ["artifacts/evaluate"]
    content["evaluate"]["bootstrap"] = 300
    (repository.root / "params.yaml").write_text(yaml.safe_dump(content))
    assert unlike_lock(repository.root) == ["artifacts/evaluate", "params.yaml: evaluate"]
