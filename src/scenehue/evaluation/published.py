"""What papers report on DIV2K, to stand beside our own numbers when these are of the same photographs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class PublishedRow(NamedTuple):
    """Mean results of one method over DIV2K's 100 validation photographs."""

    method: str
    psnr: float
    ssim: float
    mse_ab: float


DIV2K = (
    PublishedRow("paper, Soft", 19.961, 0.785, 0.584),
    PublishedRow("paper, Reg", 22.263, 0.867, 0.605),
    PublishedRow("Iizuka et al.", 23.492, 0.912, 0.620),
    PublishedRow("Larsson et al.", 23.809, 0.914, 0.585),
    PublishedRow("Zhang et al.", 21.173, 0.885, 0.630),
)

REMARK = (
    "The published rows do not say at which size the pictures were compared, nor the unit of their 'MSE_ab'; of the "
    "units tried, only the relative error comes out near 0.6 at those PSNRs. Take them as a guide, not as a contest."
)


def is_div2k(names: Iterable[str]) -> bool:
    """Whether photographs are DIV2K's, judging by where they come from.

    Args:
        names: The source or path of each photograph.

    Returns:
        True if every name contains ``div2k``, in any case, and there is one.

    Example:
        >>> is_div2k(["DIV2K_valid_HR/0801.png"]), is_div2k(["data/sample/koala.jpg"]), is_div2k([])
        (True, False, False)
    """
    lowered = [name.lower() for name in names]
    return bool(lowered) and all("div2k" in name for name in lowered)
