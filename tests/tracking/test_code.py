from __future__ import annotations

from scenehue.tracking.code import code_state

from .conftest import git


def test_a_clean_tree_has_its_commit_and_no_changes(repository):
    assert code_state(repository) == (git(repository, "rev-parse", "HEAD").strip(), ())


def test_changed_and_new_code_is_named_and_the_recipe_is_not(repository):
    (repository / "src" / "code.py").write_text("x = 2\n")
    (repository / "src" / "new ä.py").write_text("")
    (repository / "params.yaml").write_text("train: {epochs: 4}\n")
    (repository / "dvc.lock").write_text("")
    (repository / "notes.txt").write_text("")
    assert code_state(repository).changed == ("src/code.py", "src/new ä.py")


def test_ignored_files_are_no_code(repository):
    (repository / ".gitignore").write_text("__pycache__/\n")
    (repository / "src" / "__pycache__").mkdir()
    (repository / "src" / "__pycache__" / "code.pyc").write_text("")
    assert code_state(repository).changed == ()


def test_outside_of_git_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert code_state(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert code_state(tmp_path) is None


def test_a_repository_without_a_commit_is_not_known(tmp_path):
    git(tmp_path, "init", "-q")
    assert code_state(tmp_path) is None
