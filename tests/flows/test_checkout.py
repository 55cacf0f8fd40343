"""The checkout of scheduled runs: real git repositories."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows import checkout
from flows.errors import CheckoutError
from pipeline.repository import ROOT

LOCK = checkout.LOCK


class Source:
    """A repository that people commit to, and a checkout that follows it."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root / "source", root / "checkout"
        self.root.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")
        self.commit("code.py", "x = 1\n")

    def git(self, *arguments: str, at: Path | None = None) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
        command = ["git", "-C", str(at or self.root), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, name: str, content: str) -> str:
        (self.root / name).write_text(content)
        self.git("add", name)
        self.git("commit", "--quiet", "--message", f"changed {name}")
        return self.git("rev-parse", "HEAD")

    @property
    def commit_here(self) -> str:
        return self.git("rev-parse", "HEAD", at=self.folder)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    made = Source(tmp_path)
    checkout.create(str(made.root), made.folder)
    return made


def test_stands_at_the_newest_commit_of_its_source(source: Source) -> None:
    assert "up to date" in checkout.update(source.folder)
    newest = source.commit("code.py", "x = 2\n")
    assert "brought up to date" in checkout.update(source.folder)
    assert source.commit_here == newest
    assert (source.folder / "code.py").read_text() == "x = 2\n"
    checkout.create(str(source.root), source.folder)
    assert source.commit_here == newest, "an existing one is left alone"


def test_an_existing_one_follows_what_it_is_told_to_from_the_next_update_on(source: Source) -> None:
    source.git("checkout", "--quiet", "-b", "other")
    newest = source.commit("code.py", "x = 2\n")
    source.root.rename(source.root.with_name("moved"))
    source.root = source.root.with_name("moved")
    before = source.commit_here
    checkout.create(str(source.root), source.folder, "other")
    assert source.commit_here == before
    checkout.update(source.folder)
    assert source.commit_here == newest


def test_a_named_branch_is_followed_and_a_source_may_be_named_from_where_one_is(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.git("checkout", "--quiet", "-b", "other")
    newest = source.commit("code.py", "x = 2\n")
    source.git("checkout", "--quiet", "main")
    monkeypatch.chdir(source.root)
    checkout.create(".", tmp_path / "deep" / "er", "other")
    assert source.git("rev-parse", "HEAD", at=tmp_path / "deep" / "er") == newest
    assert "up to date" in checkout.update(tmp_path / "deep" / "er")


def test_what_a_killed_clone_has_left_is_begun_anew(source: Source, tmp_path: Path) -> None:
    (tmp_path / "next.new/.git").mkdir(parents=True)
    checkout.create(str(source.root), tmp_path / "next")
    assert "up to date" in checkout.update(tmp_path / "next")
    assert not (tmp_path / "next.new").exists()


def test_a_folder_that_holds_something_else_is_left_alone(source: Source, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").touch()
    with pytest.raises(CheckoutError, match="photos cannot be made"):
        checkout.create(str(source.root), tmp_path / "photos")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]


def test_a_source_that_stands_at_no_branch_is_followed_too(source: Source, tmp_path: Path) -> None:
    source.git("checkout", "--quiet", "--detach")
    other = tmp_path / "other"
    checkout.create(str(source.root), other)
    newest = source.commit("code.py", "x = 2\n")
    assert "brought up to date" in checkout.update(other)
    assert source.git("rev-parse", "HEAD", at=other) == newest


def test_a_lock_written_here_stays_until_its_source_has_another(source: Source) -> None:
    (source.folder / LOCK).write_text("ours\n")
    source.commit("code.py", "x = 2\n")
    checkout.update(source.folder)
    assert (source.folder / LOCK).read_text() == "ours\n"
    source.commit(LOCK, "theirs\n")
    checkout.update(source.folder)
    assert (source.folder / LOCK).read_text() == "theirs\n"
    (source.folder / LOCK).write_text("ours again\n")
    newest = source.commit("code.py", "x = 3\n")
    checkout.update(source.folder)
    assert (source.folder / LOCK).read_text() == "ours again\n"
    assert source.commit_here == newest


def test_every_lock_is_kept_on_a_branch_that_touches_nothing(source: Source) -> None:
    assert checkout.keep_lock(source.folder, "none yet") is None
    for content in ("first\n", "second\n"):
        (source.folder / LOCK).write_text(content)
        kept = checkout.keep_lock(source.folder, f"after {content}")
        assert kept
        assert checkout.keep_lock(source.folder, "again") is None
        source.commit("code.py", f"# {content}")
        checkout.update(source.folder)
    assert source.git("show", f"{checkout.KEPT}:{LOCK}", at=source.folder) == "second"
    assert source.git("show", f"{checkout.KEPT}~1:{LOCK}", at=source.folder) == "first"
    assert source.git("show", f"{kept}:code.py", at=source.folder) == "# first", "with the code that wrote it"
    assert source.git("status", "--porcelain", at=source.folder) == f"?? {LOCK}"


def test_a_repository_that_people_work_in_gets_no_branch(source: Source) -> None:
    (source.root / LOCK).write_text("a person's\n")
    assert checkout.keep_lock(source.root, "no") is None
    assert source.git("branch", "--list") == "* main"
    with pytest.raises(CheckoutError, match="no checkout made for flows"):
        checkout.update(source.root)
    with pytest.raises(CheckoutError, match="somebody else works in"):
        checkout.create(str(source.root), source.root)


def test_what_somebody_edited_here_is_never_thrown_away(source: Source) -> None:
    (source.folder / "code.py").write_text("x = 'mine'\n")
    source.commit("code.py", "x = 2\n")
    assert "code.py" in checkout.update(source.folder)
    assert (source.folder / "code.py").read_text() == "x = 'mine'\n"


def test_a_source_that_cannot_be_reached_stops_nothing(source: Source) -> None:
    before = source.commit_here
    source.root.rename(source.root.with_name("away"))
    assert "not brought up to date, since git fetch failed" in checkout.update(source.folder)
    assert source.commit_here == before


def test_the_command_line_says_what_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows.checkout", "create", str(tmp_path / "nothing"), str(tmp_path / "new")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: git ls-remote failed: ")
    assert "Traceback" not in done.stderr
