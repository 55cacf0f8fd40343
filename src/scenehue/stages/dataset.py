"""Stage ``dataset``: the listed photos, judged and packed into shards."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from scenehue.data.files import home_of, replacing_folder
from scenehue.data.ingest import build_dataset
from scenehue.data.listing import read_listing
from scenehue.data.parallel import default_workers
from scenehue.data.sources import open_sources
from scenehue.params import Params


def run(params: Params, root: Path = Path(".")) -> None:
    """Reads ``artifacts/sources/listing.csv``; writes shards, manifest and rejects to ``artifacts/dataset``.

    Killed and started again, it goes on from its last shard; after photos were added, it prepares just these. What it
    needs for that lies in ``resume/dataset``, and may be deleted at any time.

    Raises:
        ArtifactError: The listing is missing or out of date, or no photo is left for training.
    """
    entries = read_listing(root / "artifacts/sources/listing.csv")
    sources = open_sources(params.dataset.sources, root, params.machine.downloads)
    workers, memory = default_workers(params.machine.workers), home_of(root) / "resume/dataset"
    with replacing_folder(root / "artifacts/dataset") as folder:
        summary = build_dataset(entries, sources, params.dataset, folder, workers, memory)
    photos = ", ".join(f"{count} {split}" for split, count in summary.photos.items())
    rejects = ", ".join(f"{count} {reason}" for reason, count in summary.rejects.items())
    Console().print(f"Photos: {photos}. Rejected: {rejects or 'none'}.", highlight=False)
