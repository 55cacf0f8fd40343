"""A training's progress, for Prefect's page of the run while it is going on."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.logging import get_run_logger

from scenehue.data.files import home_of

KEY = "training-progress"
_SHOWN = ("train_loss", "val_loss", "val_psnr_grey", "val_psnr_reg", "val_psnr_mean")


def live_curves(root: Path, since: float) -> list[dict[str, str]]:
    """The numbers so far of a training that is going on: a row for each validation.

    Args:
        root: The repository.
        since: Time before which nothing counts, as of `time.time`.
    """
    tables = [
        (path.stat().st_mtime, path)
        for path in (home_of(root) / "resume/train").glob("*/curves.csv")
        if path.stat().st_mtime >= since
    ]
    return curves(max(tables)[1]) if tables else []


def curves(path: Path) -> list[dict[str, str]]:
    """The rows of a table of curves; none where there is none."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []


def sentence(row: dict[str, str], epochs: int) -> str:
    """A validation in words.

    Example:
        >>> sentence({"epoch": "3", "train_loss": "5.91", "val_loss": "5.77", "val_psnr_reg": "24.149"}, 10)
        'epoch 3 of 10: train loss 5.91, val loss 5.77, val psnr reg 24.15'
    """
    shown = [name for name in _SHOWN if row.get(name)]
    numbers = ", ".join(f"{name.replace('_', ' ')} {float(row[name]):.4g}" for name in shown)
    return f"epoch {float(row['epoch']):.0f} of {epochs}: {numbers}"


class Progress:
    """Follows a training by the table it keeps, and shows it as a progress artifact and in the log.

    What goes wrong here is told once, and never stops the training.

    Args:
        root: The repository.
        epochs: Of the whole training.
    """

    def __init__(self, root: Path, epochs: int) -> None:
        self.root, self.epochs = root, epochs
        self._since = time.time()
        self._shown = 0
        self._artifact: UUID | None = None
        self._failed = False

    def look(self) -> None:
        """Shows what is new; to be called now and then."""
        try:
            rows = live_curves(self.root, self._since)
            if len(rows) > self._shown:
                self._shown = len(rows)
                self._show(rows[-1])
        except Exception as error:  # noqa: BLE001 - the training goes on whatever happens here
            if not self._failed:
                get_run_logger().warning("progress cannot be shown: %s", error)
            self._failed = True

    def _show(self, row: dict[str, str]) -> None:
        text, percent = sentence(row, self.epochs), 100 * float(row["epoch"]) / self.epochs
        get_run_logger().info(text)
        if self._artifact is None:
            self._artifact = create_progress_artifact(percent, key=KEY, description=text)  # type: ignore[assignment]
        else:
            update_progress_artifact(self._artifact, progress=percent, description=text)
