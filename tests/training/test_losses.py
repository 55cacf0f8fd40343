import pytest
import torch

from scenehue.color.encoding import soft_encode
from scenehue.training.losses import reg_loss, scene_loss, soft_loss


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_reg_loss_is_the_papers_formula() -> None:
    predicted, target = torch.rand(2, 2, 3, 5) * 50, torch.rand(2, 2, 3, 5) * 50
    total = 0.0
    for photo in range(2):
        for row in range(3):
            for column in range(5):
                error = (predicted[photo, :, row, column] - target[photo, :, row, column]) / 110
                total += float((error**2).sum()) / (2 * 3 * 5)
    assert reg_loss(predicted, target).item() == pytest.approx(total / 2, rel=1e-5)


def test_scene_loss_is_the_dense_cross_entropy() -> None:
    logits = torch.randn(4, 365)
    classes = torch.stack([torch.randperm(365)[:5] for _ in range(4)])
    probabilities = torch.softmax(torch.randn(4, 5), 1)
    dense = torch.zeros(4, 365).scatter(1, classes, probabilities)
    expected = torch.nn.functional.cross_entropy(logits, dense)
    torch.testing.assert_close(scene_loss(logits, classes, probabilities), expected)


def dense_soft_loss(
    logits: torch.Tensor, index: torch.Tensor, target: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """The slide's formula with its 313-channel target, and the mean over pixels in place of the sum."""
    y = torch.zeros_like(logits).scatter(1, index, target)
    v = weights[y.argmax(dim=1)]
    return (v * -(y * torch.log_softmax(logits, dim=1)).sum(1)).mean()


@pytest.mark.parametrize("channels_last", [False, True])
def test_soft_loss_and_its_gradient_are_the_dense_ones(channels_last: bool) -> None:
    logits = torch.randn(3, 313, 6, 7) * 4
    if channels_last:
        logits = logits.contiguous(memory_format=torch.channels_last)
    logits.requires_grad_()
    # Off the lines of equal distance, where argmax and the nearest bin could name different bins.
    index, target = soft_encode(torch.rand(3, 2, 6, 7) * 80 - 40)
    weights = torch.rand(313) * 6
    sparse, dense = soft_loss(logits, index, target, weights), dense_soft_loss(logits, index, target, weights)
    torch.testing.assert_close(sparse, dense, atol=1e-5, rtol=1e-5)
    gradients = [torch.autograd.grad(3 * loss, logits)[0] for loss in (sparse, dense)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-5)


def test_masked_photos_teach_nothing() -> None:
    logits = torch.randn(2, 313, 4, 4, requires_grad=True)
    index, target = soft_encode(torch.rand(2, 2, 4, 4) * 40)
    weights = torch.rand(313)
    soft_loss(logits, index, target, weights, mask=torch.tensor([0.0, 1.0])).backward()
    assert logits.grad is not None
    assert logits.grad[0].abs().max() == 0
    assert logits.grad[1].abs().max() > 0


def test_half_precision_logits_lose_little() -> None:
    logits = torch.randn(2, 313, 8, 8)
    index, target = soft_encode(torch.rand(2, 2, 8, 8) * 40)
    full, half = (soft_loss(part, index, target, torch.ones(313)) for part in (logits, logits.bfloat16()))
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(full.item(), rel=2e-3)
