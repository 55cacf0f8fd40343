"""Colouring in bulk: the shards of a `Job`, one after the other, in any processes that reach the files."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from scenehue.cluster import Lost
from scenehue.inference.batch import Batch, Existing
from scenehue.inference.bulk_job import Job, Outcome, Shard
from scenehue.inference.card import CARD, Card
from scenehue.inference.convert import Settings
from scenehue.inference.loading import GRAPH, WEIGHTS, find_model, load_model
from scenehue.inference.model import ChromaModel
from scenehue.inference.s3 import S3
from scenehue.inference.sinks import FolderSink, S3Sink

Map = Callable[[Callable[[Shard], Outcome], Iterable[Shard]], Iterable[tuple[Shard, Outcome | Lost]]]


@dataclass(frozen=True)
class ModelFiles:
    """A model's files themselves, so that workers anywhere use the very same one and need no registry.

    Attributes:
        files: Content by name.
        digest: SHA-256 of all of them.
    """

    files: dict[str, bytes]
    digest: str

    @classmethod
    def read(cls, name: str) -> ModelFiles:
        """Reads the model of a name that `load_model` takes.

        Raises:
            ScenehueError: There is no such model.
        """
        place = find_model(name)
        paths = {GRAPH: place} if place.is_file() else {name: place / name for name in (CARD, GRAPH, WEIGHTS)}
        files = {name: path.read_bytes() for name, path in paths.items() if path.is_file()}
        digest = hashlib.sha256()
        for name, content in files.items():
            digest.update(f"{name} {len(content)}\n".encode() + content)
        return cls(files, digest.hexdigest())

    def load(self, device: str = "cpu", threads: int | None = None) -> tuple[ChromaModel, Card]:
        """Opens the model, and reads its card."""
        with tempfile.TemporaryDirectory() as folder:
            for name, content in self.files.items():
                Path(folder, name).write_bytes(content)
            return load_model(Path(folder, GRAPH) if list(self.files) == [GRAPH] else folder, device, threads=threads)


@dataclass(frozen=True)
class Work:
    """How the photos of a shard are coloured; goes to the workers.

    Attributes:
        model: By which model.
        target: The folder or ``s3://`` prefix of the results.
        settings: How they are coloured and written.
        keep: Results that are there already are kept; else they are replaced, but never by themselves.
        device: Where the network runs, as for `load_model`.
        threads: Photos that a process works on at the same time.
    """

    model: ModelFiles
    target: str
    settings: Settings
    keep: bool = False
    device: str = "auto"
    threads: int = 1

    def on(self, **changes: Any) -> Work:
        """The same work on another device, or with other threads."""
        return replace(self, **changes)

    def about(self, source: str) -> dict[str, Any]:
        """All that the results follow from, as plain data."""
        settings = asdict(self.settings)
        settings["format"] = self.settings.format and self.settings.format.name
        model = {"model": self.model.digest, "keep": self.keep}
        return {"source": source, "target": self.target} | model | settings


_models: dict[tuple[str, str], ChromaModel] = {}


def color_shard(work: Work, shard: Shard) -> Outcome:
    """Colours a shard's photos; whatever goes wrong with one of them, the others are done."""
    key = work.model.digest, work.device
    if key not in _models:
        _models.clear()
        _models[key] = work.model.load(work.device, threads=1)[0]
    sink = S3Sink(work.target) if work.target.startswith(S3) else FolderSink(Path(work.target))
    existing = Existing(resume=work.keep, overwrite=not work.keep)
    return Outcome.of(Batch(_models[key], sink, work.settings, existing, work.threads).run(shard.items))


def run(job: Job, work: Callable[[Shard], Outcome], shards: Map, tell: Callable[[Outcome], None]) -> Outcome:
    """Colours what is pending.

    A shard whose worker died again and again is tried once more photo by photo, so that only the one that kills its
    worker is given up.

    Args:
        job: Notes each finished shard at once.
        work: `color_shard` with all but the shard.
        shards: Calls it on shards, somewhere; as `Cluster.map`.
        tell: Is told what this run has done so far.

    Returns:
        What this run has done.
    """
    total, lost = Outcome(), list[Shard]()

    def note(shard: Shard, outcome: Outcome) -> None:
        job.keep(shard.number, outcome)
        total.add(outcome)
        tell(total)

    for shard, outcome in shards(work, job.pending()):
        if isinstance(outcome, Lost):
            lost.append(shard)
        else:
            note(shard, outcome)
    for shard in lost:
        together = Outcome()
        for single, outcome in shards(work, [Shard(shard.number, (item,)) for item in shard.items]):
            if isinstance(outcome, Lost):
                outcome = Outcome(failures={single.items[0].name: outcome.reason})
            together.add(outcome)
        note(shard, together)
    return total


def one_after_the_other(
    work: Callable[[Shard], Outcome], shards: Iterable[Shard]
) -> Iterable[tuple[Shard, Outcome | Lost]]:
    """The map for this process alone."""
    return ((shard, work(shard)) for shard in shards)
