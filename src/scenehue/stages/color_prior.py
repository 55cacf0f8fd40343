"""Stage ``color_prior``: the quantised colours, how frequent each is among training photos, and its weight."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from scenehue.color.bins import NUM_BINS, STEP, ab_bins
from scenehue.color.encoding import soft_encode
from scenehue.color.lab import rgb_to_lab
from scenehue.color.prior import rebalancing_weights, soft_histogram
from scenehue.data.decode import decode_rgb
from scenehue.data.files import replacing_folder
from scenehue.data.parallel import default_workers
from scenehue.data.shards import PhotoDataset
from scenehue.errors import ArtifactError
from scenehue.params import ColorPriorParams, Params

SHORT_SIDE = 64
"""Photos are counted at this size: colours averaged over a few pixels, as the network is asked for them."""


def run(params: Params, root: Path = Path(".")) -> None:
    """Reads ``artifacts/dataset``; writes ``color_prior.npz`` and a plot to ``artifacts/color_prior``.

    Raises:
        ArtifactError: There are no training photos.
    """
    photos = PhotoDataset(root / "artifacts/dataset", "train")
    if not len(photos):
        raise ArtifactError("artifacts/dataset has no training photos; see its rejects.csv for why")
    counts = DataLoader(
        _PhotoColors(photos, params.color_prior), batch_size=None, num_workers=default_workers(params.machine.workers)
    )
    total = sum(
        track(counts, "Counting colours", total=len(photos)), start=torch.zeros(NUM_BINS, dtype=torch.float64)
    ).numpy()
    prior = total / total.sum()
    weights = rebalancing_weights(prior, params.color_prior.uniform_share)
    with replacing_folder(root / "artifacts/color_prior") as folder:
        np.savez(
            folder / "color_prior.npz",
            bins=ab_bins(),
            prior=prior,
            weights=weights,
            neighbours=params.color_prior.neighbours,
            sigma=params.color_prior.sigma,
        )
        _plot(prior, weights, folder / "color_prior.png")


class _PhotoColors(Dataset[Tensor]):
    """Each photo's share in the prior: its mean soft encoding, (313,), so that every photo counts alike."""

    def __init__(self, photos: PhotoDataset, params: ColorPriorParams) -> None:
        self.photos, self.params = photos, params

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Tensor:
        lab = rgb_to_lab(decode_rgb(self.photos.encoded(index), SHORT_SIDE))
        ab = torch.from_numpy(lab[None, ..., 1:].transpose(0, 3, 1, 2).copy())
        counts = soft_histogram(*soft_encode(ab, self.params.neighbours, self.params.sigma))
        return torch.from_numpy(counts / counts.sum())


def _plot(prior: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for axis, values, title in (
        (axes[0], np.log10(np.maximum(prior, 1e-8)), "log10 of the prior"),
        (axes[1], weights, "weight in the soft loss"),
    ):
        bins = ab_bins()
        low = bins.min(axis=0)
        grid = np.full(((bins.max(axis=0) - low) / STEP + 1).astype(int), np.nan)
        grid[tuple(((bins - low) / STEP).astype(int).T)] = values
        extent = (low[0] - STEP / 2, bins[:, 0].max() + STEP / 2, low[1] - STEP / 2, bins[:, 1].max() + STEP / 2)
        image = axis.imshow(grid.T, origin="lower", extent=extent, cmap="viridis")
        axis.set(title=title, xlabel="a", ylabel="b")
        figure.colorbar(image, ax=axis)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
