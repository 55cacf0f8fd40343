"""A map over processes that keeps order and memory."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

from scenehue.errors import ScenehueError

Item = TypeVar("Item")
Result = TypeVar("Result")


def default_workers(workers: int | None) -> int:
    """The number of processes beside the main one: as given, or one less than there are cores."""
    if workers is not None:
        return workers
    # macOS cannot say which cores a process may use.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(cores - 1, 0)


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Like ``map``, in other processes, at most a few items ahead of whoever takes the results.

    Args:
        function: Picklable.
        items: Picklable, too.
        workers: How many processes; 0 calls the function in this one.

    Raises:
        ScenehueError: A process was killed.
    """
    if workers == 0:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    )
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise ScenehueError(
            "a worker process was killed, most likely because memory ran out; try again with a smaller machine.workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
