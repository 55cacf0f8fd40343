"""Many photos in one go: each worker takes one from file to file, and no bad photo stops the others."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from scenehue.errors import PhotoError, ScenehueError
from scenehue.inference.convert import Settings, convert, open_source
from scenehue.inference.formats import PHOTO_SUFFIXES, PNG, Format, format_of_path
from scenehue.inference.items import STANDARD, Item, place_of
from scenehue.inference.model import ChromaModel
from scenehue.inference.photo_file import Photo
from scenehue.inference.sinks import Sink

log = logging.getLogger(__name__)

LARGE_MEGAPIXELS = 16.0
"""Photos from this size on are taken one at a time, on all cores, so that memory stays bounded."""


@dataclass(frozen=True)
class Result:
    """What became of one photo.

    Attributes:
        source: As the user knows it.
        target: Where the result is, or would have been.
        status: ``done``, ``skipped`` (it was there already), or ``failed``.
        reason: Of a failure.
        notes: What could not be carried over.
        megapixels: Of all its pages' first one.
        seconds: Spent on it.
    """

    source: str
    target: str
    status: Literal["done", "skipped", "failed"]
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    megapixels: float = 0.0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """For a log in JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Existing:
    """What to do about results that are there already.

    Attributes:
        resume: Photos whose result is there are skipped.
        overwrite: Results are replaced.
        replace_originals: Even where a result is the original itself.
    """

    resume: bool = False
    overwrite: bool = False
    replace_originals: bool = False


def planned_name(item: Item, settings: Settings) -> tuple[PurePosixPath, Format | None]:
    """The place of a photo's result, and its format, as far as they follow from names.

    Returns:
        The place, and the format; None when only the photo's content can say it, and then the place lacks its ending.
    """
    relative = item.relative
    own = format_of_path(relative)
    if settings.format is not None:
        exact = item.exact or own is settings.format
        return relative if exact else _suffixed(relative, settings.format), settings.format
    if own is not None:
        return relative, own
    if relative.suffix.lower() in PHOTO_SUFFIXES and not item.exact:
        return _suffixed(relative, PNG), PNG
    return relative, None


def sheet_name(result: PurePosixPath) -> PurePosixPath:
    """The place of the before/after sheet that belongs to a result.

    Example:
        >>> sheet_name(PurePosixPath("1920/a.jpg")).as_posix()
        '1920/a.jpg.compare.jpg'
    """
    return result.with_name(f"{result.name}.compare.jpg")


def _suffixed(relative: PurePosixPath, kind: Format) -> PurePosixPath:
    stem = relative.stem if relative.suffix.lower() in PHOTO_SUFFIXES else relative.name
    return relative.with_name(stem + kind.suffixes[0])


class Batch:
    """Colours photos.

    Args:
        model: The network; its predictions may run in several threads at once.
        sink: Where results go.
        settings: How they are coloured and written.
        existing: What to do about results that are there already.
        workers: Photos that are worked on at the same time.
    """

    def __init__(
        self, model: ChromaModel, sink: Sink, settings: Settings, existing: Existing | None = None, workers: int = 1
    ) -> None:
        self.model, self.sink, self.settings, self.workers = model, sink, settings, workers
        self.existing = existing or Existing()
        self._large = threading.Lock()
        self._originals: set[str] = set()
        self._claimed: dict[str, str] = {}
        self._claiming = threading.Lock()

    def run(self, items: Sequence[Item]) -> Iterator[Result]:
        """Colours the photos, and yields what became of each, in the order in which they are finished."""
        self._originals = {place_of(item.name) for item in items if item.name != STANDARD}
        remaining = iter(items)
        with ThreadPoolExecutor(self.workers, thread_name_prefix="photo") as pool:
            running: set[Future[Result]] = set()
            try:
                while True:
                    while len(running) < 2 * self.workers and (item := next(remaining, None)) is not None:
                        running.add(pool.submit(self.one, item))
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            finally:
                for future in running:
                    future.cancel()

    def one(self, item: Item) -> Result:
        """Colours one photo; what goes wrong with it is in the result."""
        start = time.perf_counter()
        relative, kind = planned_name(item, self.settings)
        notes: list[str] = []
        try:
            if kind is not None and self._skipped(item, relative):
                return Result(item.name, self.sink.address(relative), "skipped")
            with item.opened() as stream:
                photo = open_source(stream, item.name, self.settings)
                if kind is None:
                    kind = photo.format
                    relative = relative if item.exact else _suffixed(relative, kind)
                    if self._skipped(item, relative):
                        return Result(item.name, self.sink.address(relative), "skipped")
                notes = photo.notes
                if self.settings.format is None and not item.exact and photo.original_format not in kind.pillow_names:
                    photo.note(f"{photo.original_format} is written as {kind.name.upper()}")
                megapixels = photo.width * photo.height / 1e6
                with self._large if megapixels >= LARGE_MEGAPIXELS else contextlib.nullcontext():
                    self._write(photo, relative, kind)
            seconds = time.perf_counter() - start
            return Result(
                item.name, self.sink.address(relative), "done", "", notes, round(megapixels, 3), round(seconds, 3)
            )
        except PhotoError as error:
            reason = error.reason if error.path == item.name else str(error)
        except ScenehueError as error:
            reason = str(error)
        except OSError as error:
            reason = f"{self.sink.address(relative)}: cannot be written: {error.strerror or error}"
        except MemoryError:
            reason = "does not fit into memory"
        except Exception as error:  # a photo in a million may find what no test has found
            log.debug("%s", item.name, exc_info=error)
            reason = f"cannot be coloured: {type(error).__name__}: {error}"
        seconds = time.perf_counter() - start
        return Result(item.name, self.sink.address(relative), "failed", reason, notes, seconds=round(seconds, 3))

    def _skipped(self, item: Item, relative: PurePosixPath) -> bool:
        """Whether the photo's result is there already and wanted as it is.

        Raises:
            PhotoError: Its result must not be written.
        """
        address = self.sink.address(relative)
        if ".." in relative.parts:  # an object's key may be anything
            raise PhotoError(item.name, f"its result would lie at {address}, outside of the folder of results")
        with self._claiming:
            other = self._claimed.setdefault(address, item.name)
        if other != item.name:
            raise PhotoError(item.name, f"its result would have the name {address}, as that of {other}")
        if self.sink.is_original(relative, item):
            if self.existing.replace_originals:
                return False
            raise PhotoError(
                item.name, "its result would replace the original; choose another place, or --replace-originals"
            )
        if place_of(address) in self._originals:
            raise PhotoError(item.name, f"its result would replace another original, {address}; choose another place")
        if self.existing.overwrite or not self.sink.exists(relative):
            return False
        if self.existing.resume:
            return True
        raise PhotoError(
            item.name, f"{address} is there already; --resume skips such photos, --overwrite does them again"
        )

    def _write(self, photo: Photo, relative: PurePosixPath, kind: Format) -> None:
        with contextlib.ExitStack() as stack:
            sheet = None
            if self.settings.compare:
                sheet = stack.enter_context(self.sink.written(sheet_name(relative)))
            path = stack.enter_context(self.sink.written(relative))
            convert(self.model, photo, path, kind, self.settings, sheet)
