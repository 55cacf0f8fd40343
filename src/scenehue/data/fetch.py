"""Fetching a file: in parallel stretches, resumed after any interruption, checked, and renamed into place only then."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_attempt,
    wait_random_exponential,
)

from scenehue.data.files import replacing_file
from scenehue.data.remotes import Found, Interrupted, Remote
from scenehue.errors import ArtifactError

Result = TypeVar("Result")

PART = 16 << 20
"""Bytes of the stretches that are fetched side by side."""
_THREADS = 4
_SPARE = 64 << 20  # what a disk must keep free
_ATTEMPTS = 8  # without a single byte in between
_LONGEST_WAIT = 30.0


def fetch(there: Remote, found: Found, path: Path, bars: Progress | None = None, checksum: str | None = None) -> None:
    """Fetches one file, whatever is at its place.

    What is fetched lies beside its place until it is whole, and beside that a list of the parts that are there.

    Args:
        there: The file.
        found: What was found of it.
        path: Where it goes.
        bars: Shows how far it is.
        checksum: What it must be, ``sha256:`` or ``md5:`` and hex digits.

    Raises:
        ArtifactError: The server does not give it, the disk is full, the checksum is wrong, or a zip is truncated.
    """
    partial, journal = path.with_name(f".{path.name}.partial"), _journal(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        done = _parts_done(journal, there, found) if partial.exists() else set()
        _write_journal(journal, there, found, done)
        with partial.open("r+b" if done else "wb") as file, journal.open("ab", buffering=0) as log:
            _fill(there, found, file.fileno(), log.write, done, _bar(bars, path.name, found, done))
        if checksum and (actual := checksum_of(partial, checksum)) != checksum:
            raise _Refused(f"has the checksum {actual}, not {checksum}; it is damaged, or another file")
        if path.suffix.lower() == ".zip" and not zipfile.is_zipfile(partial):
            raise _Refused("is no zip, or a truncated one")
        partial.replace(path)
        journal.unlink()
    except _Refused as refused:
        partial.unlink()
        journal.unlink()
        raise ArtifactError(f"{there.address} {refused}; name another mirror, or correct the checksum") from refused
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be written: {error.strerror}; what was fetched is kept, and the next run goes on from there"
        ) from error


def persist(attempt: Callable[[], Result], address: str, stop: threading.Event | None = None) -> Result:
    """Tries until it succeeds, waiting longer each time; gives up after eight attempts.

    Args:
        attempt: What to try; `Interrupted` is what may go right the next time.
        address: What to name in the error.
        stop: Ends a wait when it is set.

    Raises:
        ArtifactError: It never succeeded.
    """
    retrying = Retrying(
        sleep=sleep_using_event(stop or threading.Event()),
        retry=retry_if_exception_type(Interrupted),
        wait=_wait,
        stop=stop_after_attempt(_ATTEMPTS),
        reraise=True,
    )
    try:
        return retrying(attempt)
    except Interrupted as error:
        raise ArtifactError(
            f"{address} cannot be fetched, after {_ATTEMPTS} attempts: {error}; try again later, or name a mirror"
        ) from error


def demand_room(folder: Path, needed: int) -> None:
    """Makes a folder, and raises an ArtifactError if its disk has no room for so many bytes more."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(f"{folder} cannot be made: {error.strerror}; change machine.downloads") from error
    free = shutil.disk_usage(folder).free
    if needed and free < needed + _SPARE:
        raise ArtifactError(
            f"{folder} needs {decimal(needed)} more, but only {decimal(free)} are free; make room, or let "
            "machine.downloads name a folder on another disk"
        )


def bytes_fetched(path: Path) -> int:
    """Roughly how much of a file an interrupted fetch has brought."""
    return max(0, len(_lines(_journal(path))) - 1) * PART


def checksum_of(path: Path, like: str) -> str:
    """A file's checksum, of the kind that another one has."""
    kind = like.partition(":")[0]
    with path.open("rb") as file:
        return f"{kind}:{hashlib.file_digest(file, kind).hexdigest()}"


def progress_bars() -> Progress:
    """Bars of bytes, speed, and time to go."""
    columns = BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    return Progress(TextColumn("{task.description}"), *columns)


class _Refused(Exception):
    """What was fetched is not what it should be, so that there is no use in keeping it."""


def _fill(
    there: Remote,
    found: Found,
    file: int,
    log: Callable[[bytes], object],
    done: set[int],
    advance: Callable[[int], None],
) -> None:
    """Fetches the parts that are not done, side by side; after a failure none is begun any more."""
    if not found.ranges:
        _fill_at_once(there, found, file, advance)
        return
    stop = threading.Event()

    def take(start: int) -> None:
        for size in _stretch(there, found, file, start, min(start + PART, found.size), stop):
            advance(size)
        if not stop.is_set():
            log(b"%d\n" % start)

    starts = [start for start in range(0, found.size, PART) if start not in done]
    with ThreadPoolExecutor(min(_THREADS, len(starts) or 1)) as pool:
        try:
            for _ in pool.map(take, starts):
                pass
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _stretch(there: Remote, found: Found, file: int, start: int, end: int, stop: threading.Event) -> Iterator[int]:
    """Writes the bytes from `start` to `end` to their place, and yields how many came at each attempt."""
    place = start

    def attempt() -> None:
        nonlocal place
        begin = place
        try:
            for chunk in there.read(place, end, found):
                if stop.is_set():
                    return
                place += _write(file, chunk[: end - place], place)
            if place < end:
                raise Interrupted("the connection ended early")
        except Interrupted:
            if place == begin:
                raise

    while place < end and not stop.is_set():
        before = place
        persist(attempt, there.address, stop)
        yield place - before


def _write(file: int, chunk: bytes, place: int) -> int:
    """Writes all of a chunk: a disk that is nearly full may take a part of it at first."""
    written = 0
    while written < len(chunk):
        written += os.pwrite(file, chunk[written:], place + written)
    return written


def _fill_at_once(there: Remote, found: Found, file: int, advance: Callable[[int], None]) -> None:
    """Fetches from a server that gives no stretches: from the start at each attempt."""
    place = 0

    def attempt() -> None:
        nonlocal place
        advance(-place)
        place = 0
        for chunk in there.read(0, found.size, found):
            place += _write(file, chunk, place)
            advance(len(chunk))
        if place < found.size:
            raise Interrupted("the connection ended early")

    persist(attempt, there.address)


def _bar(bars: Progress | None, name: str, found: Found, done: set[int]) -> Callable[[int], None]:
    if bars is None:
        return lambda size: None
    task = bars.add_task(name, total=found.size, completed=min(len(done) * PART, found.size))
    return lambda size: bars.advance(task, size)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait if isinstance(error, Interrupted) else 0
    return max(min(asked, _LONGEST_WAIT), wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT)(state))


def _journal(path: Path) -> Path:
    return path.with_name(f".{path.name}.parts")


def _header(there: Remote, found: Found) -> str:
    # Without a version nothing tells whether the file is still the same, so its parts are never gone on with.
    version: Any = found.version or os.urandom(8).hex()
    return json.dumps([there.address, found.size, version, PART])


def _write_journal(journal: Path, there: Remote, found: Found, done: set[int]) -> None:
    with replacing_file(journal) as new:
        new.write_text("".join(f"{line}\n" for line in [_header(there, found), *sorted(done)]))


def _lines(journal: Path) -> list[str]:
    """The journal's lines, without one that was only half written."""
    try:
        return journal.read_text().split("\n")[:-1]
    except (OSError, ValueError):
        return []


def _parts_done(journal: Path, there: Remote, found: Found) -> set[int]:
    """Where the parts begin that an interrupted fetch of the same file has brought."""
    header, *parts = _lines(journal) or [""]
    return {int(part) for part in parts} if header == _header(there, found) else set()
