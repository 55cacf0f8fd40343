import pytest

from scenehue.data.emphasis import copies
from scenehue.errors import ParamsError

PATHS = ["one.tar!people/a.jpg", "one.tar!sky/b.jpg", "two.tar!people/c.jpg"]


def test_the_first_pattern_that_matches_counts() -> None:
    assert copies(PATHS, {"two.tar!*": 5, "*people/*": 2}).tolist() == [2, 1, 5]


def test_without_patterns_each_is_seen_once() -> None:
    assert copies(PATHS, {}).tolist() == [1, 1, 1]


def test_a_pattern_that_matches_nothing_is_a_mistake_and_named() -> None:
    with pytest.raises(ParamsError, match=r"train\.emphasis.*'\*birds\*'"):
        copies(PATHS, {"*birds*": 2})
