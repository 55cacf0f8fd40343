"""The checkout that scheduled runs work in: a clone of its own, so that nobody's half-done edits are trained on.

Made once, on the worker's machine, by ``python -m flows.checkout create SOURCE FOLDER [BRANCH]``. Before each run, a
step of prefect.yaml brings it up to date by ``python -m flows.checkout update``.

The checkout stands at a commit of its source, so that whatever is registered names a commit that others have, too. Only
``dvc.lock`` differs, which the runs write anew. It stays through updates, until its source has another one; and every
state of it is kept on the branch `KEPT`, which grows in the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from flows.errors import CheckoutError
from scenehue.data.files import replacing_file
from scenehue.errors import ScenehueError
from scenehue.tracking.store import without_secrets

LOCK = "dvc.lock"
KEPT = "scheduled"
_BRANCH = "scenehue.branch"
_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "scenehue flows"), ("EMAIL", "scenehue@localhost"))
}


def create(source: str, folder: Path, branch: str | None = None) -> None:
    """Clones a repository for the flows to work in; of an existing checkout only what it follows is changed.

    Args:
        source: Folder or address of the repository.
        folder: Where to.
        branch: That the checkout follows; without one, what the source has checked out when the checkout is made.

    Raises:
        CheckoutError: Git cannot clone it, or the folder is something else.
    """
    if (folder / ".git").exists():
        if _asked(folder, "config", _BRANCH) is None:
            raise CheckoutError(f"{folder} is a repository that somebody else works in; name a folder of its own")
        _git(folder, "remote", "set-url", "origin", str(Path(source).resolve()) if Path(source).exists() else source)
        if branch:
            _git(folder, "config", _BRANCH, branch)
        return
    branch = branch or branch_of(source)
    named = () if branch == "HEAD" else ("--branch", branch)
    draft = folder.with_name(f"{folder.name}.new")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(draft, ignore_errors=True)
        _git(Path(), "clone", "--quiet", *named, source, str(draft.resolve()))
        _git(draft, "config", _BRANCH, branch)
        _git(draft, "checkout", "--quiet", "--detach")
        draft.rename(folder)
    except OSError as error:
        raise CheckoutError(f"{folder} cannot be made ({error.strerror}); name another folder") from error


def branch_of(source: str) -> str:
    """The branch that a clone of a repository would follow; ``HEAD`` of one that stands at none.

    Raises:
        CheckoutError: Git cannot reach it.
    """
    for line in _git(Path(), "ls-remote", "--symref", source, "HEAD").splitlines():
        if line.startswith("ref: refs/heads/"):
            return line.split()[1].removeprefix("refs/heads/")
    return "HEAD"


def update(root: Path) -> str:
    """Brings a checkout to the newest commit of the branch that it follows.

    Where the source cannot be reached, or somebody has edited files here, the code stays as it is.

    Args:
        root: The checkout.

    Returns:
        A sentence that says which commit is checked out, and why.

    Raises:
        CheckoutError: This is not such a checkout.
    """
    branch = _asked(root, "config", _BRANCH)
    if branch is None:
        raise CheckoutError(
            f"{root.resolve()} is no checkout made for flows; make one: python -m flows.checkout create SOURCE FOLDER"
        )
    before = _git(root, "rev-parse", "HEAD").strip()
    if edited := _git(root, "status", "--porcelain", "--", ".", f":!{LOCK}").strip():
        return f"at {before[:9]}: not brought up to date, since these files were edited here: {edited}"
    try:
        _git(root, "fetch", "--quiet", "origin", branch)
    except CheckoutError as error:
        return f"at {before[:9]}: not brought up to date, since {error}"
    after = _git(root, "rev-parse", "FETCH_HEAD").strip()
    if after == before:
        return f"at {before[:9]}: up to date"
    ours = _ours(root, after)
    _git(root, "checkout", "--quiet", "--force", "--detach", after)
    if ours is not None:
        with replacing_file(root / LOCK) as partial:
            partial.write_bytes(ours)
    return f"at {after[:9]}: brought up to date from {before[:9]}"


def keep_lock(root: Path, message: str) -> str | None:
    """Keeps the present ``dvc.lock`` as a commit on the branch `KEPT`, without touching what is checked out.

    Args:
        root: The checkout; in a repository that people work in, nothing happens.
        message: Of the commit.

    Returns:
        The commit, or None where nothing was to be kept.
    """
    if _asked(root, "config", _BRANCH) is None or not (root / LOCK).is_file():
        return None
    head = _git(root, "rev-parse", "HEAD").strip()
    kept = _asked(root, "rev-parse", "--verify", "--quiet", f"refs/heads/{KEPT}")
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _git(root, "read-tree", head, env=index)
        _git(root, "update-index", "--add", "--", LOCK, env=index)
        tree = _git(root, "write-tree", env=index).strip()
    if tree == _git(root, "rev-parse", f"{kept or head}^{{tree}}").strip():
        return None
    parents = [argument for parent in dict.fromkeys((kept or head, head)) for argument in ("-p", parent)]
    commit = _git(root, "commit-tree", tree, *parents, "-m", message, env=_AUTHOR).strip()
    _git(root, "update-ref", f"refs/heads/{KEPT}", commit)
    return commit


def _ours(root: Path, after: str) -> bytes | None:
    """The ``dvc.lock`` here if it was written here, unless the new commit brings another one."""
    here, old, new = (root / LOCK), _blob(root, "HEAD"), _blob(root, after)
    if old != new or not here.is_file():
        return None
    return here.read_bytes()


def _blob(root: Path, commit: str) -> str | None:
    return _asked(root, "rev-parse", "--verify", "--quiet", f"{commit}:{LOCK}")


def _asked(root: Path, *arguments: str) -> str | None:
    """What git answers, or None if it says no."""
    try:
        return _git(root, *arguments).strip()
    except CheckoutError:
        return None


def _git(root: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    command = ["git", "-C", str(root), *arguments]
    quiet = {"GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            command, env=os.environ | quiet | (env or {}), capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise CheckoutError(f"git cannot be started: {error}") from error
    if done.returncode:
        said = without_secrets(" ".join(done.stderr.split())) or f"exit status {done.returncode}"
        raise CheckoutError(f"git {arguments[0]} failed: {said}")
    return done.stdout


def main(arguments: list[str]) -> int:
    """The command line.

    Returns:
        The exit status.
    """
    try:
        match arguments:
            case ["create", source, folder, *branch] if len(branch) <= 1:
                create(source, Path(folder), *branch)
                print(f"{folder} is ready")
            case ["update"]:
                print(f"The code is {update(Path())}")
            case _:
                print("python -m flows.checkout create SOURCE FOLDER [BRANCH] | update", file=sys.stderr)
                return 2
    except ScenehueError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
