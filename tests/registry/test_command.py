from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from scenehue.cli import app
from scenehue.errors import ScenehueError
from scenehue.registry.register import register

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def typed(repository, monkeypatch):
    """Runs a command line in the repository; gives its exit code and output."""
    monkeypatch.chdir(repository.root)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        result = CliRunner().invoke(app, ["models", *arguments], catch_exceptions=False, standalone_mode=True)
        return result.exit_code, result.stdout

    return run


def test_register_promote_list_show_compare_roll_back(repository, typed):
    for quality in (0.4, 0.8):
        repository.train(quality)
        code, out = typed("register")
        assert code == 0
        assert "challenger" in out
        code, out = typed("promote")
        assert code == 0
        assert "was promoted" in out
    repository.train(0.6)
    typed("register")
    code, out = typed("promote")
    assert code == 3
    assert "Worse than version 2" in out
    code, out = typed("list")
    rows = [words for line in out.splitlines() if (words := line.split())[:1] and words[0].isdigit()]
    assert [row[:3] for row in rows] == [
        ["1", "previous", "promoted"],
        ["2", "champion", "promoted"],
        ["3", "challenger", "refused"],
    ]
    code, out = typed("show", "3")
    assert repository.git("rev-parse", "HEAD") in out
    assert "Worse than version 2" in out
    code, out = typed("compare", "3", "1", "--json")
    assert json.loads(out)["promoted"] is True
    code, out = typed("rollback", "--reason", "too orange")
    assert code == 0
    data = json.loads(typed("show", "champion", "--json")[1])
    assert (data["version"], data["aliases"]) == (1, ["champion"])
    listed = json.loads(typed("list", "--json")[1])
    assert [entry["verdict"] for entry in listed] == ["promoted", "rolled back", "refused"]
    code, out = typed("promote", "2", "--json")
    assert code == 3
    assert "--again" in json.loads(out)["reasons"][0]["words"]


def test_an_empty_registry_is_told_apart_from_none(typed, repository):
    code, out = typed("list", "--json")
    assert (code, json.loads(out)) == (0, [])
    repository.set_params({"tracking": {"uri": "sqlite:///nowhere.db"}})
    with pytest.raises(ScenehueError, match=r"no model registry yet.*nowhere\.db is missing"):
        typed("list")
    repository.set_params({"tracking": {"uri": None}})
    with pytest.raises(ScenehueError, match=r"tracking\.uri is null"):
        typed("list")
    assert not (repository.root / "nowhere.db").exists()


def test_restore_says_what_to_type_next(typed, repository):
    repository.train(0.4)
    register(repository.params, repository.root)
    code, out = typed("restore", "1")
    assert code == 0
    assert "dvc pull" in out


def test_helping_imports_no_mlflow():
    program = (
        "import sys; from scenehue.cli import app; assert not {'mlflow', 'pandas', 'pyarrow'} & sys.modules.keys()"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
