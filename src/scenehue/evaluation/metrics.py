"""How far one picture is from another: pure functions on 8-bit sRGB and on float Lab."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from scenehue.color.bins import AB_SCALE
from scenehue.color.lab import rgb_to_lab
from scenehue.evaluation.colorfulness import colorfulness, colorfulness_ddcolor

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

PSNR_OF_EQUALS = 100.0
"""What `psnr` gives for equal pictures instead of infinity, so that a mean over photographs stays a number."""
SSIM_WINDOW = 11
SSIM_SIGMA = 1.5


def psnr(truth: UInt8, result: UInt8) -> float:
    """Peak signal-to-noise ratio on 8-bit sRGB, over all pixels and channels.

    Args:
        truth: (H, W, 3) uint8.
        result: (H, W, 3) uint8.

    Returns:
        Decibels, at most `PSNR_OF_EQUALS`.

    Example:
        >>> round(psnr(np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)), 3)
        0.0
    """
    squared = cv2.norm(truth, result, cv2.NORM_L2SQR) / truth.size
    return min(PSNR_OF_EQUALS, 10 * math.log10(255**2 / squared)) if squared else PSNR_OF_EQUALS


def ssim(truth: UInt8, result: UInt8) -> float:
    """Structural similarity (Wang et al. 2004) on 8-bit sRGB: mean over the three channels and all whole windows.

    The window is a Gaussian of 11 x 11 pixels and sigma 1.5, K1 = 0.01, K2 = 0.03, with population covariances:
    scikit-image's ``gaussian_weights=True, use_sample_covariance=False``. OpenCV's separable filter needs a 25th of the
    time that torchmetrics' two-dimensional convolution takes.

    Args:
        truth: (H, W, 3) uint8; sides below 11 pixels are extended by reflection.
        result: (H, W, 3) uint8.

    Returns:
        1 for equal pictures, less for others.
    """
    height, width = truth.shape[:2]
    border = SSIM_WINDOW // 2 if min(height, width) >= SSIM_WINDOW else 0

    def blur(image: Float32) -> Float32:
        blurred = cv2.GaussianBlur(image, (SSIM_WINDOW, SSIM_WINDOW), SSIM_SIGMA)
        return np.asarray(blurred[border : height - border, border : width - border])

    x, y = truth.astype(np.float32), result.astype(np.float32)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = blur(x), blur(y)
    variances = blur(x * x + y * y) - mean_x**2 - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    index = (2 * mean_x * mean_y + c1) * (2 * covariance + c2) / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))
    return float(index.mean(dtype=np.float64))


def ab_errors(truth_ab: Float32, result_ab: Float32) -> dict[str, float]:
    """The three readings of an unnamed 'MSE of ab', each under its own name.

    Args:
        truth_ab: (H, W, 2) in Lab units.
        result_ab: (H, W, 2) in Lab units.

    Returns:
        ``mse_ab``: mean over pixels and both channels of the squared difference, in squared Lab units.
        ``mse_ab_unit``: the same with ab divided by `AB_SCALE`.
        ``relative_error_ab``: ``||result - truth|| / ||truth||``, the norms taken over the whole photograph; 1 for a
        grey result, whatever the photograph.

    Example:
        >>> truth = np.full((2, 2, 2), 11, np.float32)
        >>> {name: round(value, 4) for name, value in ab_errors(truth, truth * 0).items()}
        {'mse_ab': 121.0, 'mse_ab_unit': 0.01, 'relative_error_ab': 1.0}
    """
    mse = float(np.square(result_ab - truth_ab).mean(dtype=np.float64))
    energy = float(np.square(truth_ab).mean(dtype=np.float64))
    relative = math.sqrt(mse / energy) if energy else (math.inf if mse else 0.0)
    return {"mse_ab": mse, "mse_ab_unit": mse / AB_SCALE**2, "relative_error_ab": relative}


def measure(truth: UInt8, result: UInt8) -> dict[str, float]:
    """All metrics of one coloured photograph; both pictures are looked at as 8-bit sRGB, as they are delivered.

    Args:
        truth: (H, W, 3) uint8, the colour photograph.
        result: (H, W, 3) uint8, what was made of its lightness.

    Returns:
        A value for each name of `PHOTO_METRICS`. The deltas are result minus truth: negative where the result is
        duller.
    """
    vividness, vividness_ddcolor = colorfulness(result), colorfulness_ddcolor(result)
    return {
        "psnr": psnr(truth, result),
        "ssim": ssim(truth, result),
        **ab_errors(rgb_to_lab(truth)[..., 1:], rgb_to_lab(result)[..., 1:]),
        "colorfulness": vividness,
        "delta_colorfulness": vividness - colorfulness(truth),
        "colorfulness_ddcolor": vividness_ddcolor,
        "delta_colorfulness_ddcolor": vividness_ddcolor - colorfulness_ddcolor(truth),
    }


PHOTO_METRICS = (
    "psnr",
    "ssim",
    "mse_ab",
    "mse_ab_unit",
    "relative_error_ab",
    "colorfulness",
    "delta_colorfulness",
    "colorfulness_ddcolor",
    "delta_colorfulness_ddcolor",
)


def scene_hits(logits: npt.NDArray[np.floating], teacher_class: int) -> tuple[bool, bool]:
    """Whether a scene head, from grey, agrees with the teacher, who saw the photograph in colour.

    Args:
        logits: (365,), of the network's scene head.
        teacher_class: The class that the teacher holds most probable.

    Returns:
        Whether it is the network's first class, and whether it is among its first five.

    Example:
        >>> scene_hits(np.array([0.1, 0.9, 0.5, 0.4, 0.3, 0.2]), teacher_class=5)
        (False, True)
    """
    first_five = np.argsort(-logits, kind="stable")[:5]
    return bool(first_five[0] == teacher_class), bool((first_five == teacher_class).any())
