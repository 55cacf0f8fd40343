"""Stage ``sources``: lists what photos there are. Runs always and quickly; all else depends on its listing only."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import track

from scenehue.data.blobs import BlobCache
from scenehue.data.files import home_of
from scenehue.data.listing import Entry, rows_of, write_rows
from scenehue.data.parts import ListedParts
from scenehue.data.sources import PhotoSource, open_sources
from scenehue.params import Params

_CONSOLE = Console(soft_wrap=True, highlight=False)


def run(params: Params, root: Path = Path(".")) -> None:
    """Writes ``artifacts/sources/listing.csv``, and names on the console the photos that cannot be read.

    Before that it fetches what public data sets and buckets have and `machine.downloads` lacks: after an interruption
    the rest, and nothing once all is there.

    Hashes of files that have not changed since the last run are remembered in ``.dvc/tmp``, where there is a ``.dvc``.

    Raises:
        ArtifactError: A source does not exist, cannot be fetched, holds no photo, or cannot be used.
    """
    home = home_of(root)
    memory = home / ".dvc/tmp" if (home / ".dvc").is_dir() else None
    cache = BlobCache(memory / "scenehue-hashes.json" if memory else None)
    sources = open_sources(params.dataset.sources, root, params.machine.downloads)
    for source in sources:
        source.fetch(cache)
    known = ListedParts(memory / "scenehue-listing" if memory else None)
    parts = [
        known.find(index, source) or _list(index, source, cache, known, params) for index, source in enumerate(sources)
    ]
    write_rows(root / "artifacts/sources/listing.csv", parts)
    cache.save()
    known.forget_others()


def _list(index: int, source: PhotoSource, cache: BlobCache, known: ListedParts, params: Params) -> str:
    entries = list(track(source.entries(cache), "Listing photos", total=None))
    _name_unreadable(entries, params)
    rows = rows_of(entries)
    known.keep(index, source, rows)
    return rows


def _name_unreadable(entries: list[Entry], params: Params) -> None:
    for entry in entries:
        if not entry.hash:
            path = Path(params.dataset.sources[entry.source].path, entry.path)
            _CONSOLE.print(f"{str(path)!a} cannot be read; the stage dataset will reject it.", markup=False)
