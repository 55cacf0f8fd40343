"""What validation looks at, at the network's own size: decoded chroma and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from scenehue.color.decoding import decode
from scenehue.color.gamut import fit_gamut
from scenehue.color.lab import lab_to_rgb, to_uint8
from scenehue.data.loading import Batch
from scenehue.models.network import ColorNet

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]


def pictures(lightness: Tensor, ab: Tensor) -> UInt8:
    """Joins lightness with chroma of any size.

    Args:
        lightness: (N, 1, H, W), L in 0..100.
        ab: (N, 2, h, w) in Lab units; what is no number counts as grey.

    Returns:
        (N, H, W, 3) sRGB.
    """
    ab = F.interpolate(torch.nan_to_num(ab.float()), size=lightness.shape[2:], mode="bilinear", align_corners=False)
    lab = torch.cat([lightness, ab], dim=1).permute(0, 2, 3, 1).cpu().numpy()
    return to_uint8(lab_to_rgb(fit_gamut(lab)))


def sheet(columns: Sequence[UInt8], num: int = 8) -> UInt8:
    """The first photos of a batch as one picture: a row for each photo, its versions side by side.

    Args:
        columns: The versions, (N, H, W, 3) each.
        num: Photos at most.
    """
    return np.concatenate(
        [np.concatenate(row, axis=1) for row in zip(*(column[:num] for column in columns), strict=True)]
    )


@torch.inference_mode()
def decoded(
    net: ColorNet, bins: Tensor, batches: Iterable[Batch], temperatures: Sequence[float]
) -> tuple[Float32, Float32, dict[float, Float32]]:
    """The truth, and what a network says of it, at the size of its regression map.

    Args:
        net: The network, switched to evaluation.
        bins: (Q, 2) centres of the quantised colours.
        batches: N photographs in all, at least one.
        temperatures: Of annealed means.

    Returns:
        Lab (N, h, w, 3); ab by regression (N, h, w, 2); and for each temperature ab by the annealed mean, brought to
        the same size.
    """
    device = next(net.parameters()).device
    truths: list[Float32] = []
    regression: list[Float32] = []
    annealed: dict[float, list[Float32]] = {temperature: [] for temperature in temperatures}
    for batch in batches:
        outputs = net(batch.lightness.to(device))
        shape = outputs.ab.shape[2:]

        def sized(planes: Tensor, shape: torch.Size = shape) -> Float32:
            planes = F.interpolate(planes.float(), size=shape, mode="bilinear", antialias=True)
            return planes.permute(0, 2, 3, 1).cpu().numpy()

        truths.append(sized(torch.cat([batch.true_lightness, batch.ab], dim=1)))
        regression.append(sized(outputs.ab))
        for temperature, results in annealed.items():
            results.append(sized(decode(outputs.soft_logits, bins, "annealed", temperature)))
    return (
        np.concatenate(truths),
        np.concatenate(regression),
        {temperature: np.concatenate(results) for temperature, results in annealed.items()},
    )
