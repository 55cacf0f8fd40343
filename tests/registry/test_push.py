from __future__ import annotations

import subprocess
import sys

import pytest

from scenehue.registry.connection import RegistryError
from scenehue.registry.push import dvc_push


def test_data_goes_to_the_remote_if_there_is_one_and_a_failure_is_an_error(tmp_path):
    root, remote = tmp_path / "repository", tmp_path / "remote"
    root.mkdir()
    assert dvc_push(root) is False

    def dvc(*arguments):
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=root, check=True, capture_output=True)

    dvc("init", "--no-scm", "--quiet")
    assert dvc_push(root) is False
    (root / "data.txt").write_text("data")
    dvc("add", "--quiet", "data.txt")
    settings = root / ".dvc/config"
    before = settings.read_text()
    settings.write_text(f"{before}\n    remote = store\n['remote \"store\"']\n    url = {remote}\n")
    assert dvc_push(root) is True
    assert [path.read_text() for path in remote.rglob("*") if path.is_file()] == ["data"]
    (tmp_path / "file").write_text("")
    settings.write_text(settings.read_text().replace(str(remote), str(tmp_path / "file/remote")))
    with pytest.raises(RegistryError, match="`dvc push` failed, so no alias was moved: "):
        dvc_push(root)
