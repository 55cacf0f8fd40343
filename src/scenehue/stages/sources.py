"""Stage ``sources``: lists what photos there are. Runs always and quickly; all else depends on its listing only."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import track

from scenehue.data.blobs import BlobCache
from scenehue.data.listing import write_listing
from scenehue.data.sources import open_sources
from scenehue.params import Params


def run(params: Params, root: Path = Path(".")) -> None:
    """Writes ``artifacts/sources/listing.csv``, and names on the console the photos that cannot be read.

    Before that it fetches what public data sets and buckets have and `machine.downloads` lacks: after an interruption
    the rest, and nothing once all is there.

    Hashes of files that have not changed since the last run are remembered in ``.dvc/tmp``, where there is a ``.dvc``.

    Raises:
        ArtifactError: A source does not exist, cannot be fetched, holds no photo, or cannot be used.
    """
    cache = BlobCache(root / ".dvc/tmp/scenehue-hashes.json" if (root / ".dvc").is_dir() else None)
    sources = open_sources(params.dataset.sources, root, params.machine.downloads)
    for source in sources:
        source.fetch(cache)
    listed = (entry for source in sources for entry in source.entries(cache))
    entries = list(track(listed, "Listing photos", total=None))
    write_listing(root / "artifacts/sources/listing.csv", entries)
    cache.save()
    console = Console(soft_wrap=True, highlight=False)
    for entry in entries:
        if not entry.hash:
            path = Path(params.dataset.sources[entry.source].path, entry.path)
            console.print(f"{str(path)!a} cannot be read; the stage dataset will reject it.", markup=False)
