"""What a bulk job knows of itself, on disk: the photos it listed, and what became of them. Survives any kill.

The folder holds ``job.json`` (what is asked for), ``listing-00000.csv`` and its successors (the photos, each listed
once), ``refused.csv`` (those whose results would have the name of another's), ``done/`` (a small file for each finished
shard of a listing), and in the end ``report.json`` and ``failures.csv``. ``job.lock`` is held by the run at work on it.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from scenehue.errors import ScenehueError
from scenehue.inference.atomic import written_aside
from scenehue.inference.batch import Result, planned_name
from scenehue.inference.convert import Settings
from scenehue.inference.items import Item, photos_in

_COLUMNS = ("shard", "name", "relative", "version")
_READ: Any = {"encoding": "utf-8", "errors": "surrogateescape"}


@dataclass(frozen=True)
class Shard:
    """Photos that one worker colours in one go.

    Attributes:
        number: Of the listing, and of the shard in it.
        items: The photos that are still to be coloured.
    """

    number: tuple[int, int]
    items: tuple[Item, ...]


@dataclass
class Outcome:
    """What became of photos.

    Attributes:
        done: How many were coloured.
        skipped: How many had a result already that was to be kept.
        failures: Names of the others, and why.
        notes: Sentences on what could not be carried over.
        megapixels: Of the coloured ones.
        seconds: Of work on them, all workers together.
    """

    done: int = 0
    skipped: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    megapixels: float = 0.0
    seconds: float = 0.0

    @classmethod
    def of(cls, results: Iterable[Result]) -> Outcome:
        """Sums up."""
        total = cls()
        for result in results:
            total.done += result.status == "done"
            total.skipped += result.status == "skipped"
            if result.status == "failed":
                total.failures[result.source] = result.reason
            total.notes += [f"{result.source}: {note}" for note in result.notes]
            total.megapixels += result.megapixels
            total.seconds += result.seconds
        return total

    def add(self, other: Outcome) -> None:
        """Adds what became of other photos."""
        self.done += other.done
        self.skipped += other.skipped
        self.failures |= other.failures
        self.notes += other.notes
        self.megapixels += other.megapixels
        self.seconds += other.seconds

    @property
    def photos(self) -> int:
        """All of them."""
        return self.done + self.skipped + len(self.failures)


class Job:
    """A bulk job's folder.

    Args:
        folder: Where it is; made when missing.
        source: The folder or ``s3://`` prefix of the photos.
        settings: How they are coloured; their places follow from it.
        shard_photos: Photos in a shard of a new listing.
        about: All that the results follow from, for ``job.json``.
    """

    def __init__(self, folder: Path, source: str, settings: Settings, shard_photos: int, about: dict[str, Any]) -> None:
        self.folder, self.source, self.settings = folder, source, settings
        self.target: str | None = about.get("target")
        (folder / "done").mkdir(parents=True, exist_ok=True)
        _write_json(folder / "job.json", about | {"shard_photos": shard_photos})
        self.shard_photos = shard_photos

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other runs away from the job, until the end of this one, whatever ends it.

        Raises:
            ScenehueError: Another run is at work on it.
        """
        with (self.folder / "job.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ScenehueError(
                    f"{self.source}: another run is colouring it already, by the same model and with the same options; "
                    "wait for its end, or stop it first"
                ) from None
            yield

    def list_new(self) -> int:
        """Lists the photos; from the second time on those that are new or have changed.

        Returns:
            How many there are.

        Raises:
            ScenehueError: There is no photo at all.
        """
        listings = self._listings()
        path = self.folder / f"listing-{len(listings):05}.csv"
        known, taken = set[tuple[str, str]](), dict[str, str]()
        for row in (row for listing in listings for row in _rows(listing)):
            known.add((row["name"], row["version"]))
            taken[self._result_of(_item(row))] = row["name"]
        count = total = 0
        with _table(path, _COLUMNS) as new, _table(self.folder / "refused.csv", ("file", "reason")) as refused:
            for item in photos_in(self.source, self.target):
                total += 1
                place = self._result_of(item)
                if (first := taken.setdefault(place, item.name)) != item.name:
                    refused.writerow([item.name, f"its result would have the name {place}, as that of {first}"])
                elif (item.name, item.version) not in known:
                    new.writerow([count // self.shard_photos, item.name, item.relative, item.version])
                    count += 1
            if not total:
                raise ScenehueError(f"{self.source}: there is no photo of that name, and none in it")
        if not count:
            path.unlink()
        return count

    @property
    def is_complete(self) -> bool:
        """Whether all photos that were listed so far have been tried."""
        return all(self._known(number) for number, _ in self._shards())

    def pending(self) -> Iterator[Shard]:
        """Shards with photos that are not coloured: those never tried, and those that failed."""
        for number, rows in self._shards():
            known = self._known(number)
            items = tuple(_item(row) for row in rows if known is None or row["name"] in known.failures)
            if items:
                yield Shard(number, items)

    def keep(self, number: tuple[int, int], outcome: Outcome) -> None:
        """Notes what became of a shard's photos, in place of failures noted before."""
        total = self._known(number) or Outcome()
        total.failures = {}
        total.add(outcome)
        _write_json(self._place(number), asdict(total))

    def report(self) -> Outcome:
        """What became of all photos so far; also as ``report.json`` and ``failures.csv``."""
        total = Outcome()
        for path in sorted((self.folder / "done").glob("*.json")):
            total.add(Outcome(**json.loads(path.read_text(**_READ))))
        total.failures |= {row["file"]: row["reason"] for row in _rows(self.folder / "refused.csv")}
        with _table(self.folder / "failures.csv", ("file", "reason")) as failures:
            failures.writerows(total.failures.items())
        counts = {"photos": total.photos, "done": total.done, "skipped": total.skipped, "failed": len(total.failures)}
        _write_json(self.folder / "report.json", counts | {"megapixels": total.megapixels, "seconds": total.seconds})
        return total

    def _listings(self) -> list[Path]:
        return sorted(self.folder.glob("listing-*.csv"))

    def _shards(self) -> Iterator[tuple[tuple[int, int], Iterator[dict[str, str]]]]:
        for listing, path in enumerate(self._listings()):
            for number, rows in groupby(_rows(path), lambda row: row["shard"]):
                yield (listing, int(number)), rows

    def _place(self, number: tuple[int, int]) -> Path:
        return self.folder / f"done/{number[0]:05}-{number[1]:07}.json"

    def _known(self, number: tuple[int, int]) -> Outcome | None:
        try:
            return Outcome(**json.loads(self._place(number).read_text(**_READ)))
        except FileNotFoundError:
            return None

    def _result_of(self, item: Item) -> str:
        return str(planned_name(item, self.settings)[0])


def _item(row: dict[str, str]) -> Item:
    return Item(row["name"], PurePosixPath(row["relative"]), in_folder=True, version=row["version"])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(**_READ, newline="") as file:
        yield from csv.DictReader(file)


@contextlib.contextmanager
def _table(path: Path, columns: tuple[str, ...]) -> Iterator[Any]:
    """A CSV writer, whose file is there whole or not at all."""
    with written_aside(path) as aside, aside.open("w", **_READ, newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        yield writer


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with written_aside(path) as aside:
        aside.write_text(json.dumps(content, indent=1), encoding="utf-8")
