"""Order, laziness and errors of the map over processes."""

import os
import time

import pytest

from scenehue.data.parallel import default_workers, ordered_map
from scenehue.errors import ArtifactError, ScenehueError


def slow_square(number: int) -> int:
    time.sleep(0.02 * (number % 3))
    return number**2


def fail(number: int) -> int:
    if number == 7:
        raise ArtifactError("7.jpg: reason")
    return number


def die(number: int) -> None:
    os._exit(number)


def test_results_come_in_order_and_items_are_taken_as_needed():
    taken = []
    results = ordered_map(slow_square, (taken.append(i) or i for i in range(60)), workers=2)
    assert next(results) == 0
    assert len(taken) <= 6
    assert list(results) == [i**2 for i in range(1, 60)]


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_come_through_as_they_are(workers):
    with pytest.raises(ArtifactError, match=r"^7\.jpg: reason$"):
        list(ordered_map(fail, range(10), workers))


def test_a_killed_process_is_an_error_that_says_what_to_do():
    with pytest.raises(ScenehueError, match=r"smaller machine\.workers"):
        list(ordered_map(die, [1], 1))


def test_default_workers():
    assert default_workers(5) == 5
    assert default_workers(0) == 0
    assert default_workers(None) == len(os.sched_getaffinity(0)) - 1


@pytest.mark.parametrize(("cores", "expected"), [(8, 7), (1, 0), (None, 0)])
def test_default_workers_where_no_affinity_is_known(monkeypatch, cores, expected):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert default_workers(None) == expected
