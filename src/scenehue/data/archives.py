"""Public archives as files on this machine: fetched when missing, taken when somebody put them there."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from scenehue.data.fetch import bytes_fetched, checksum_of, demand_room, fetch, persist, progress_bars
from scenehue.data.files import replacing_file
from scenehue.data.remotes import http_client, remote
from scenehue.params import Archive


class Order(NamedTuple):
    """A file to have: where from, and where to."""

    archive: Archive
    path: Path


def fetch_archives(orders: Iterable[Order]) -> None:
    """Brings the archives that are not there yet, and leaves those that are.

    One that somebody put at its place by hand is taken, if its checksum is right. One that was broken off, by a kill or
    a full disk, is gone on with. Of processes that want the same one, the others wait for the first.

    Args:
        orders: All into the same folder.

    Raises:
        ArtifactError: An address does not answer, the disk has too little room, a checksum is wrong, or a file is no
            whole zip. What was fetched before stays.
    """
    missing = [order for order in orders if not _is_present(order)]
    if not missing:
        return
    with http_client() as client:
        remotes = [remote(order.archive.address, client) for order in missing]
        founds = [persist(there.find, there.address) for there in remotes]
        needed = sum(found.size - bytes_fetched(order.path) for order, found in zip(missing, founds, strict=True))
        demand_room(missing[0].path.parent, max(0, needed))
        with progress_bars() as bars:
            for order, there, found in zip(missing, remotes, founds, strict=True):
                with locked(order.path):
                    if not _is_present(order):
                        fetch(there, found, order.path, bars, order.archive.checksum)
                        _sign(order)


def _is_present(order: Order) -> bool:
    """Whether the right archive is there; looks into the file only if it or what it must be has changed."""
    archive, path = order
    if not path.is_file():
        return False
    try:
        signed = json.loads(_signature(path).read_text())
    except (OSError, ValueError):
        signed = {}
    unchanged = signed.get("state") == _state(path)
    if archive.checksum is None:
        if unchanged:
            return bool(signed["address"] == archive.address)
    elif unchanged and signed["checksum"] == archive.checksum:
        return True
    elif checksum_of(path, archive.checksum) != archive.checksum:
        return False
    _sign(order)
    return True


def _sign(order: Order) -> None:
    """Notes beside a file what it is."""
    archive, path = order
    with replacing_file(_signature(path)) as partial:
        partial.write_text(json.dumps(archive.model_dump() | {"state": _state(path)}))


def _signature(path: Path) -> Path:
    return path.with_name(f".{path.name}.fetched")


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lets one process at a time fetch a file, whose folder is made when missing; the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
