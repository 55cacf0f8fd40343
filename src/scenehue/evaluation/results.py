"""What an evaluation found: a row for each photograph and decoder, and the means drawn from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from scenehue.errors import ArtifactError
from scenehue.evaluation.bootstrap import CONFIDENCE, Interval, mean_interval, paired_difference
from scenehue.evaluation.metrics import PHOTO_METRICS
from scenehue.evaluation.segmentation import segmentation_scores

GREY = "grey"
"""The baseline's name among the decoders: the photograph's own lightness without any chroma."""
HEADLINE = ("psnr", "psnr_over_grey", "ssim", "relative_error_ab", "colorfulness", "lpips")
"""The metrics in ``metrics.json``, few enough to compare experiments side by side; ``intervals.json`` has all."""
SEGMENTATION = "segmentation.parquet"
_ABOUT = b"scenehue.evaluation"


@dataclass(frozen=True)
class Results:
    """Metrics of one model's decoders, and of the grey baseline, on the same photographs.

    Args:
        table: A row for each photograph and decoder: ``id``, ``photo``, ``width``, ``height``, ``decoder``, a column
            for each of `PHOTO_METRICS` (and ``lpips`` where it could be computed), and, the same in all rows of a
            photograph, ``truth_colorfulness``, ``truth_colorfulness_ddcolor``, ``scene_top1`` and ``scene_top5`` (null
            without a scene head or teacher).
        about: How it was measured: working size and scales, each decoder's settings, resamples and seed of the
            intervals, why something is missing. Plain JSON data.
        segmentation: Counts of pixels, as `scenehue.evaluation.segmentation.COUNTS`, of the photographs with a map;
            None where no segmentation head was asked.
    """

    table: pa.Table
    about: dict[str, Any]
    segmentation: pa.Table | None = None

    @property
    def decoders(self) -> list[str]:
        """The decoders in order, `GREY` first."""
        return [str(name) for name in pc.unique(self.table["decoder"]).to_pylist()]

    @property
    def metrics(self) -> list[str]:
        """The metrics that there is a value of for each photograph."""
        return [name for name in (*PHOTO_METRICS, "lpips") if name in self.table.column_names]

    @property
    def ids(self) -> list[str]:
        """The photographs, each once, in the order they were evaluated."""
        return [str(photo) for photo in self.of(GREY)["id"].to_pylist()]

    def of(self, decoder: str) -> pa.Table:
        """The rows of one decoder, a photograph each."""
        return self.table.filter(pc.equal(self.table["decoder"], decoder))

    def values(self, decoder: str, metric: str) -> npt.NDArray[np.float64]:
        """One decoder's value of a metric for each photograph, in the order of `ids`."""
        return np.asarray(self.of(decoder)[metric].to_numpy(), dtype=np.float64)

    def by_photo(self, decoder: str, metric: str) -> dict[str, float]:
        """The same by photo id, as `paired_difference` takes it, also against another model's results."""
        return dict(zip(self.ids, self.values(decoder, metric).tolist(), strict=True))

    def restricted_to(self, ids: Iterable[str]) -> Results:
        """The same results over fewer photographs, such as those that no compared model was trained on.

        Raises:
            ValueError: None of the photographs would be left.
        """
        kept = pc.is_in(pc.field("id"), pa.array(list(ids), pa.string()))
        table = self.table.filter(kept)
        if not table.num_rows:
            raise ValueError("none of the evaluated photographs would be left")
        return Results(table, self.about, None if self.segmentation is None else self.segmentation.filter(kept))

    def interval(self, decoder: str, metric: str) -> Interval:
        """Mean of a metric over the photographs, with its confidence interval."""
        return mean_interval(self.values(decoder, metric), self.about["resamples"], self.about["seed"])

    def over_grey(self, decoder: str, metric: str = "psnr") -> Interval:
        """By how much a decoder's mean lies above the grey baseline's, paired by photograph."""
        ours, grey = self.by_photo(decoder, metric), self.by_photo(GREY, metric)
        return paired_difference(ours, grey, self.about["resamples"], self.about["seed"])

    def scenes(self) -> dict[str, Interval]:
        """``top1`` and ``top5`` of the scene head over the photographs it was asked about; empty if there are none."""
        found = {}
        for name in ("top1", "top5"):
            hits = self.of(GREY)[f"scene_{name}"].drop_null()
            if len(hits):
                values = np.asarray(hits.to_numpy(zero_copy_only=False), dtype=np.float64)
                found[name] = mean_interval(values, self.about["resamples"], self.about["seed"])
        return found

    def heads(self) -> dict[str, dict[str, Interval]]:
        """What else the network tells: ``scene`` and ``segmentation``, each only where it could be measured."""
        segmentation: dict[str, Interval] = {}
        if self.segmentation is not None:
            segmentation = segmentation_scores(self.segmentation, self.about["resamples"], self.about["seed"])
        found = {"scene": self.scenes(), "segmentation": segmentation}
        return {head: scores for head, scores in found.items() if scores}

    def means(self) -> dict[str, Any]:
        """Every mean as ``{decoder: {metric: mean}}``, beside ``truth``, `heads` and the number of ``photos``."""
        truth = {name: self.values(GREY, f"truth_{name}").mean() for name in ("colorfulness", "colorfulness_ddcolor")}
        tree = self._by_decoder(lambda decoder, metric: self.values(decoder, metric).mean())
        for decoder in self.decoders[1:]:
            tree[decoder]["psnr_over_grey"] = self.over_grey(decoder).mean
        heads = {
            head: {name: interval.mean for name, interval in scores.items()} for head, scores in self.heads().items()
        }
        rounded: dict[str, Any] = _rounded({"truth": truth, **tree, **heads})
        return {"photos": len(self.ids), **rounded}

    def headline(self) -> dict[str, Any]:
        """The content of ``metrics.json``: the means of `HEADLINE`."""
        means = self.means()
        for decoder in ("truth", *self.decoders):
            means[decoder] = {metric: means[decoder][metric] for metric in HEADLINE if metric in means[decoder]}
        return means

    def intervals(self) -> dict[str, Any]:
        """The content of ``intervals.json``: ``{decoder: {metric: {"mean", "low", "high"}}}``, and so for `heads`."""
        tree = self._by_decoder(self.interval)
        for decoder in self.decoders[1:]:
            tree[decoder]["psnr_over_grey"] = self.over_grey(decoder)
        tree |= self.heads()
        bounds = {
            group: {metric: interval._asdict() for metric, interval in members.items()}
            for group, members in tree.items()
        }
        return {"confidence": CONFIDENCE, "resamples": self.about["resamples"], **_rounded(bounds)}

    def _by_decoder(self, value: Callable[[str, str], Any]) -> dict[str, dict[str, Any]]:
        return {decoder: {metric: value(decoder, metric) for metric in self.metrics} for decoder in self.decoders}

    def save(self, folder: Path) -> None:
        """Writes ``photos.parquet`` and ``.csv``, ``metrics.json``, ``intervals.json`` and ``psnr.csv`` into a folder.

        ``psnr.csv`` is for plots: a column a decoder, each sorted from its worst photograph to its best. Where a
        segmentation head was asked, there is ``segmentation.parquet``, too.
        """
        if self.segmentation is not None:
            pa.parquet.write_table(self.segmentation, folder / SEGMENTATION)
        described = self.table.replace_schema_metadata({_ABOUT: json.dumps(self.about)})
        pa.parquet.write_table(described, folder / "photos.parquet")
        pa.csv.write_csv(self.table, folder / "photos.csv")
        ranks = pa.array(range(1, len(self.ids) + 1))
        curves = {decoder: np.sort(self.values(decoder, "psnr")).round(4) for decoder in self.decoders}
        pa.csv.write_csv(pa.table({"rank": ranks, **curves}), folder / "psnr.csv")
        (folder / "metrics.json").write_text(json.dumps(self.headline(), indent=2) + "\n", encoding="utf-8")
        (folder / "intervals.json").write_text(json.dumps(self.intervals(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Results:
        """Reads what `save` wrote.

        Raises:
            ArtifactError: ``photos.parquet`` is missing, or no table of an evaluation.
        """
        path = Path(folder) / "photos.parquet"
        try:
            table = pa.parquet.read_table(path)
            about = json.loads(table.schema.metadata[_ABOUT])
        except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{path} holds no results of an evaluation ({error}); run the stage evaluate"
            ) from error
        counts = Path(folder) / SEGMENTATION
        segmentation = pa.parquet.read_table(counts) if counts.is_file() else None
        return cls(table.replace_schema_metadata(None), about, segmentation)


def _rounded(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _rounded(value) for key, value in tree.items()}
    return round(float(tree), 6)
