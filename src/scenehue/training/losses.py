"""The losses. The formulas are the paper's; all are means over pixels or photos, so that they can be balanced.

Shapes: N photos, h and w the loss's own resolution, Q bins, K neighbours, P pixels of all photos, C classes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from scenehue.color.bins import AB_SCALE

SMALL_ERROR = 18.0
"""Squared ab error, in Lab units squared, below which `reg_log_loss` asks for little more: that of (3, 3)."""


def reg_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Half the mean squared ab error, with ab scaled to [-1, 1]: ``1 / (2hw) sum ||y - y'||^2``.

    Args:
        predicted: (N, 2, h, w) in Lab units.
        target: (N, 2, h, w) in Lab units.
    """
    return ((predicted.float() - target) / AB_SCALE).square().sum(dim=1).mean() / 2


def reg_log_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean over photos of ``log(1 + e / e0)``, `e` a photo's mean squared ab error.

    PSNR is a mean of logarithms, too: halving the error of a dull photo is worth as much as halving that of a bright
    one, so that a network gains nothing by colouring what may well be grey.

    Args:
        predicted: (N, 2, h, w) in Lab units.
        target: (N, 2, h, w) in Lab units.

    Example:
        >>> zeros = torch.zeros(1, 2, 4, 4)
        >>> round(reg_log_loss(zeros, zeros + 3).item(), 4)
        0.6931
    """
    error = (predicted.float() - target).square().sum(dim=1).mean(dim=(1, 2))
    return torch.log1p(error / SMALL_ERROR).mean()


def scene_loss(logits: Tensor, classes: Tensor, probabilities: Tensor) -> Tensor:
    """Cross-entropy with the soft label of each photo.

    Args:
        logits: (N, C).
        classes: (N, 5) the label's classes.
        probabilities: (N, 5) their probabilities, summing to 1.
    """
    log_probabilities = torch.log_softmax(logits.float(), dim=1).gather(1, classes)
    return -(probabilities * log_probabilities).sum(dim=1).mean()


class _SparseCrossEntropy(torch.autograd.Function):
    """Weighted cross-entropy per row with a target of a few bins.

    The gradient is ``w (softmax - y)``: one buffer as large as the logits, the target subtracted from it in place.
    """

    @staticmethod
    def forward(ctx: Any, logits_PQ: Tensor, index_PK: Tensor, target_PK: Tensor, weight_P: Tensor) -> Tensor:
        logsumexp_P = torch.logsumexp(logits_PQ, dim=1)
        ctx.save_for_backward(logits_PQ, index_PK, target_PK, weight_P, logsumexp_P)
        return torch.dot(weight_P, logsumexp_P - (logits_PQ.gather(1, index_PK) * target_PK).sum(1))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        logits_PQ, index_PK, target_PK, weight_P, logsumexp_P = ctx.saved_tensors
        scale_P1 = (weight_P * gradient)[:, None]
        result = torch.sub(logits_PQ, logsumexp_P[:, None]).exp_().mul_(scale_P1)
        return result.scatter_add_(1, index_PK, -scale_P1 * target_PK), None, None, None


def soft_loss(logits: Tensor, index: Tensor, target: Tensor, bin_weights: Tensor, mask: Tensor | None = None) -> Tensor:
    """Cross-entropy with the soft-encoded colours, each pixel weighted by the rarity of its most probable bin.

    The 313-channel target is never built. The mean is over all pixels, masked ones counting as 0.

    Args:
        logits: (N, Q, h, w).
        index: (N, K, h, w) bins of the target, the most probable first.
        target: (N, K, h, w) their probabilities, summing to 1 over K.
        bin_weights: (Q,), see `scenehue.color.prior.rebalancing_weights`.
        mask: (N,) 0 for photos to leave out (grey ones), 1 for the others.
    """
    num_bins, neighbours = logits.shape[1], index.shape[1]
    weight_N1hw = bin_weights[index[:, :1]]
    if mask is not None:
        weight_N1hw = weight_N1hw * mask[:, None, None, None]
    rows = logits.movedim(1, -1).reshape(-1, num_bins).float()
    total: Tensor = _SparseCrossEntropy.apply(  # type: ignore[no-untyped-call]
        rows,
        index.movedim(1, -1).reshape(-1, neighbours),
        target.movedim(1, -1).reshape(-1, neighbours),
        weight_N1hw.flatten(),
    )
    return total / len(rows)


def segmentation_loss(logits: Tensor, classes: Tensor, dice_share: float) -> Tensor:
    """A mix of cross-entropy and 1 - dice, over the labelled pixels of a batch; 0 where there are none.

    Dice is ``2 sum(p y) / (sum(p) + sum(y))`` of each class, and its mean is over the classes that the batch shows, so
    that rare ones count as much as frequent ones.

    Args:
        logits: (N, C, h, w).
        classes: (N, h, w), uint8; numbers from C on are not labelled.
        dice_share: Share of 1 - dice; the rest is cross-entropy, a mean over pixels.
    """
    num_classes = logits.shape[1]
    labelled_Nhw = classes < num_classes
    target_Nhw = torch.where(labelled_Nhw, classes, 0).long()
    log_probabilities = torch.log_softmax(logits.float(), dim=1)
    own_Nhw = log_probabilities.gather(1, target_Nhw[:, None])[:, 0] * labelled_Nhw
    cross_entropy = -own_Nhw.sum() / labelled_Nhw.sum().clamp(min=1)

    def per_class(values_Nhw: Tensor) -> Tensor:
        zeros_C = torch.zeros(num_classes, device=logits.device)
        return zeros_C.scatter_add(0, target_Nhw.flatten(), (values_Nhw * labelled_Nhw).flatten())

    shown_C, overlap_C = per_class(labelled_Nhw.float()), per_class(own_Nhw.exp())
    believed_C = (log_probabilities.exp() * labelled_Nhw[:, None]).sum(dim=(0, 2, 3))
    dice_C = 2 * overlap_C / (believed_C + shown_C).clamp(min=1e-6)
    there_C = (shown_C > 0).float()
    return (1 - dice_share) * cross_entropy + dice_share * (there_C * (1 - dice_C)).sum() / there_C.sum().clamp(min=1)
