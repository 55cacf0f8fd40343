"""From the listing to shards, manifest and rejects, in one pass that holds a few photos in memory at a time."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.progress import track

from scenehue.data.duplicates import NearDuplicates
from scenehue.data.listing import Entry
from scenehue.data.parallel import ordered_map
from scenehue.data.prepare import Prepared, full_name, prepare_all, split_of
from scenehue.data.prepared import PreparedPhotos
from scenehue.data.shards import MANIFEST, ShardWriter
from scenehue.data.sources import PhotoSource
from scenehue.errors import ArtifactError
from scenehue.params import DatasetParams

PRECEDENCE = ("test", "val", "train")
_BATCH_ROWS = 4096
_CHUNK_PHOTOS = 32
_CHUNK_BYTES = 32 << 20
_UNREADABLE = "unreadable: the file could not be opened when it was listed: a link to nowhere, no file, not permitted"
_WORKER_BYTES = 16 << 20  # what is worth starting a process for


@dataclass(frozen=True)
class Summary:
    """What became of the photos.

    Attributes:
        photos: How many each split has.
        rejects: How many were rejected for each kind of reason.
    """

    photos: dict[str, int]
    rejects: dict[str, int]


def build_dataset(
    entries: Sequence[Entry],
    sources: Sequence[PhotoSource],
    params: DatasetParams,
    folder: Path,
    workers: int = 0,
    memory: Path | None = None,
) -> Summary:
    """Writes shards, ``manifest.parquet`` and ``rejects.csv``. The same photos give the same bytes.

    Test photos come first, then val, then train, each in the listing's order. Of photos too like each other the first
    one stays, so a training photo too like a test photo is the one to go, and no two splits share a photo.

    Args:
        entries: The listing.
        sources: The sources it was made from.
        params: Section ``dataset``.
        folder: An empty folder.
        workers: Processes to prepare photos in; 0 for none beside this one.
        memory: Folder that remembers prepared photos from run to run; the result is the same without.

    Raises:
        ArtifactError: No photo is left for training, or a photo has changed since it was listed.
    """
    readable = sorted((e for e in entries if e.hash), key=lambda e: (PRECEDENCE.index(split_of(e, params)), e))
    unique, rejects = _drop_exact_duplicates(readable, params)
    rejects |= {entry: _UNREADABLE for entry in entries if not entry.hash}
    known = PreparedPhotos(memory, params)
    manifest = _Manifest()
    seen, kept = NearDuplicates(params.duplicate_bits), list[Entry]()
    with ExitStack() as stack:
        size = params.shard_megabytes << 20
        writers = {s: stack.enter_context(ShardWriter(folder, s, size, known.keep)) for s in PRECEDENCE}
        results = _prepare(unique, known, sources, params, workers)
        for entry, result in track(results, "Preparing photos", total=len(unique)):
            split, place = split_of(entry, params), None
            if isinstance(result, str):
                rejects[entry] = result
            elif (found := seen.find(result.hash)) is not None:
                rejects[entry] = _too_like(kept[found], split_of(kept[found], params), split, params)
            else:
                seen.add(result.hash)
                kept.append(entry)
                for other in set(PRECEDENCE) - {split}:
                    writers[other].close()
                if not result.photo:
                    result = _with_files(entry, result, known, sources, params)
                place = writers[split].add(entry.hash[:32], result.photo, result.segmentation)
                manifest.add(_manifest_row(entry, split, result, *place))
            known.note(entry, result, place)
    _write_rejects(folder / "rejects.csv", rejects, params)
    reasons = Counter(_kind_of(reason) for reason in rejects.values())
    photos = {split: manifest.photos[split] for split in reversed(PRECEDENCE)}
    summary = Summary(photos, dict(sorted(reasons.items())))
    if not summary.photos["train"]:
        raise ArtifactError(_nothing_to_train(summary, rejects, params))
    manifest.write(folder / "manifest.parquet")
    known.finish()
    return summary


def _prepare(
    entries: Sequence[Entry], known: PreparedPhotos, sources: Sequence[PhotoSource], params: DatasetParams, workers: int
) -> Iterator[tuple[Entry, Prepared | str]]:
    """What becomes of each photo, in order; those already known come without their bytes."""
    new = [entry for entry in entries if entry not in known]
    workers = min(workers, sum(entry.size for entry in new) // _WORKER_BYTES)
    results = ordered_map(partial(prepare_all, list(sources), params), _chunks(new), workers)
    prepared = (result for chunk in results for result in chunk)
    for entry in entries:
        yield entry, known.recall(entry) if entry in known else next(prepared)


def _with_files(
    entry: Entry, result: Prepared, known: PreparedPhotos, sources: Sequence[PhotoSource], params: DatasetParams
) -> Prepared:
    """A known photo with its bytes: those stored before, or made anew if it was a duplicate then."""
    if (files := known.files(entry)) is not None:
        return replace(result, photo=files[0], segmentation=files[1])
    (again,) = prepare_all(list(sources), params, [entry])
    assert isinstance(again, Prepared)
    return again


class _Manifest:
    """The manifest's rows, kept in little memory."""

    def __init__(self) -> None:
        self.photos = Counter[str]()
        self._batches: list[pa.RecordBatch] = []
        self._rows: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> None:
        self.photos[row["split"]] += 1
        self._rows.append(row)
        if len(self._rows) == _BATCH_ROWS:
            self._flush()

    def write(self, path: Path) -> None:
        self._flush()
        pq.write_table(pa.Table.from_batches(self._batches, MANIFEST), path)

    def _flush(self) -> None:
        self._batches.append(pa.RecordBatch.from_pylist(self._rows, MANIFEST))
        self._rows = []


def _drop_exact_duplicates(entries: Iterable[Entry], params: DatasetParams) -> tuple[list[Entry], dict[Entry, str]]:
    first: dict[str, Entry] = {}
    rejects = {}
    for entry in entries:
        if first.setdefault(entry.hash, entry) is not entry:
            rejects[entry] = f"exact duplicate of {_name(first[entry.hash], params)}"
    return list(first.values()), rejects


def _chunks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    chunk, size = list[Entry](), 0
    for entry in entries:
        if chunk and (len(chunk) == _CHUNK_PHOTOS or size + entry.size > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += entry.size
    if chunk:
        yield chunk


def _manifest_row(entry: Entry, split: str, photo: Prepared, shard: str, row: int) -> dict[str, Any]:
    return {
        "id": entry.hash[:32],
        "split": split,
        "source": entry.source,
        "path": entry.name.encode(errors="surrogateescape").decode(errors="replace"),
        "width": photo.width,
        "height": photo.height,
        "original_width": photo.original_width,
        "original_height": photo.original_height,
        "mean_chroma": photo.mean_chroma,
        "scene": entry.scene or None,
        "has_segmentation": photo.segmentation is not None,
        "shard": shard,
        "row": row,
    }


def _name(entry: Entry, params: DatasetParams) -> str:
    return full_name(params.sources[entry.source], entry)


def _too_like(other: Entry, other_split: str, split: str, params: DatasetParams) -> str:
    if split == other_split:
        return f"near duplicate of {_name(other, params)}"
    return f"leak: too like the {other_split} photo {_name(other, params)}"


def _kind_of(reason: str) -> str:
    """The words of a reason that do not change from photo to photo."""
    return reason.split(":")[0].split(" of ")[0].split(" (")[0]


def _write_rejects(path: Path, rejects: dict[Entry, str], params: DatasetParams) -> None:
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "reason"])
        writer.writerows([_name(entry, params), rejects[entry]] for entry in sorted(rejects))


def _nothing_to_train(summary: Summary, rejects: dict[Entry, str], params: DatasetParams) -> str:
    others = ", ".join(f"{count} for {split}" for split, count in summary.photos.items() if count)
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary.rejects.items())
    example = next((f"; {_name(entry, params)}: {reason}" for entry, reason in sorted(rejects.items())), "")
    return (
        f"no photo is left for training ({others or 'none for the other splits either'}; rejected: {reasons or 'none'}"
        f"{example}); add photos, or change dataset.sources, dataset.splits or the limits in dataset"
    )
