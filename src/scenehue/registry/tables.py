"""Versions on the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from scenehue.registry.versions import PARAMETERS_TAG, Version


def versions_table(versions: Sequence[Version]) -> Table:
    """A row a version, oldest first; the gain is what its Reg is above grey."""
    table = Table(title="Model versions", box=SIMPLE_HEAD, pad_edge=False)  # narrow enough for 80 columns
    for column in ("no.", "aliases", "verdict", "PSNR, dB", "gain, dB", "registered", "commit"):
        table.add_column(column, justify="right" if column in ("no.", "PSNR, dB", "gain, dB") else "left", no_wrap=True)
    for version in versions:
        best = version.metrics.get("reg", {})
        table.add_row(
            str(version.number),
            ", ".join(version.aliases),
            version.verdict or "",
            _number(best.get("psnr")),
            _number(best.get("psnr_over_grey")),
            f"{version.created:%Y-%m-%d}",
            _commit(version, 7),
        )
    return table


def version_table(version: Version) -> Table:
    """Where one version comes from."""
    table = Table(title=f"{version.name} {version.number}", show_header=False)
    rows = {
        "aliases": ", ".join(version.aliases),
        "verdict": version.verdict or "",
        "registered": f"{version.created:%Y-%m-%d %H:%M} UTC",
        "commit": _commit(version),
        "weights": version.checkpoint,
        "parameters": f"{int(version.tags.get(PARAMETERS_TAG, 0)):,}",
        "data set": version.tags.get("scenehue.dataset", ""),
        "run": version.run_id,
        "package": version.source,
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def as_data(version: Version) -> dict[str, Any]:
    """A version as JSON data."""
    return {
        "name": version.name,
        "version": version.number,
        "aliases": list(version.aliases),
        "verdict": version.verdict,
        "verdict_text": version.verdict_text,
        "created": version.created.isoformat(),
        "run_id": version.run_id,
        "source": version.source,
        "checkpoint": version.checkpoint,
        "commit": version.commit,
        "metrics": version.metrics,
        "tags": dict(version.tags),
    }


def _commit(version: Version, digits: int = 40) -> str:
    dirty = version.tags.get("scenehue.git_dirty") == "true"
    return (version.commit or "")[:digits] + (" with changes" if dirty else "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
