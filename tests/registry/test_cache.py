from __future__ import annotations

import threading

import pytest

from scenehue.errors import ScenehueError
from scenehue.registry.cache import cached


def write(folder):
    (folder / "a.txt").write_text("whole")


def test_an_entry_is_made_once_and_is_there_whole_or_not_at_all(tmp_path):
    def fail(folder):
        write(folder)
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        cached("kind", "key", fail)
    assert not list((tmp_path / "cache/kind").iterdir())
    folder = cached("kind", "key", write)
    assert (folder / "a.txt").read_text() == "whole"
    assert cached("kind", "key", fail) == folder


def test_two_that_make_it_at_once_get_the_same():
    together = threading.Barrier(2)
    found = []

    def make(folder):
        together.wait(timeout=10)
        write(folder)

    threads = [threading.Thread(target=lambda: found.append(cached("kind", "key", make))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    assert [path.name for path in found[0].parent.iterdir()] == ["key"]


def test_a_cache_that_cannot_be_written_is_explained(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SCENEHUE_CACHE", str(tmp_path / "file"))
    with pytest.raises(ScenehueError, match="SCENEHUE_CACHE"):
        cached("kind", "key", write)
