import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from scenehue.color.encoding import soft_encode
from scenehue.training.losses import SMALL_ERROR, reg_log_loss, reg_loss, scene_loss, segmentation_loss, soft_loss


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


def labelled_maps(unlabelled: bool) -> torch.Tensor:
    classes = torch.randint(0, 6, (2, 9, 7), dtype=torch.uint8)
    if unlabelled:
        classes[0, :3], classes[1, :, 2] = 255, 255
    return classes


@pytest.mark.parametrize("unlabelled", [False, True])
def test_segmentation_loss_without_dice_is_torchs_cross_entropy(unlabelled: bool) -> None:
    logits, classes = torch.randn(2, 8, 9, 7, requires_grad=True), labelled_maps(unlabelled)
    ours = segmentation_loss(logits, classes, dice_share=0)
    theirs = torch.nn.functional.cross_entropy(logits, classes.long(), ignore_index=255)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (ours, theirs)))


@pytest.mark.parametrize("unlabelled", [False, True])
def test_dice_of_certain_predictions_is_scikit_learns_f1(unlabelled: bool) -> None:
    classes, predicted = labelled_maps(unlabelled), torch.randint(0, 8, (2, 9, 7))
    logits = 200 * torch.nn.functional.one_hot(predicted, 8).movedim(-1, 1).float()
    labelled = classes != 255
    expected = f1_score(classes[labelled], predicted[labelled], labels=classes[labelled].unique(), average="macro")
    assert segmentation_loss(logits, classes, dice_share=1).item() == pytest.approx(1 - expected, abs=1e-6)


def test_dice_of_uncertain_predictions_by_hand() -> None:
    # Two pixels of class 0, believed with 0.75 and 0.5; one of class 1, believed with 0.8; one unlabelled.
    believed = torch.tensor([[0.75, 0.25], [0.5, 0.5], [0.2, 0.8], [0.9, 0.1]])
    loss = segmentation_loss(believed.log().T[None, :, None], torch.tensor([[[0, 0, 1, 255]]]), dice_share=1)
    dice = (2 * 1.25 / (1.45 + 2) + 2 * 0.8 / (1.55 + 1)) / 2
    assert loss.item() == pytest.approx(1 - dice)


def test_the_segmentation_losses_are_mixed_and_lead_to_the_truth() -> None:
    logits, classes = torch.randn(2, 8, 9, 7, requires_grad=True), labelled_maps(True)
    entropy, dice, mixed = (segmentation_loss(logits, classes, share).item() for share in (0, 1, 0.3))
    assert mixed == pytest.approx(0.7 * entropy + 0.3 * dice)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        segmentation_loss(logits, classes, 0.5).backward()
        optimizer.step()
    assert (logits.argmax(1) == classes)[classes != 255].all()
    assert segmentation_loss(logits, classes, 0.5) < 0.02


def test_without_a_labelled_pixel_there_is_nothing_to_learn() -> None:
    logits = torch.randn(2, 8, 4, 4, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((2, 4, 4), 255, dtype=torch.uint8), 0.5)
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_the_logarithm_of_each_photos_error_by_numpy() -> None:
    predicted, target = 40 * torch.randn(3, 2, 5, 6), 40 * torch.randn(3, 2, 5, 6)
    errors = ((predicted - target).numpy() ** 2).sum(axis=1).mean(axis=(1, 2))
    assert reg_log_loss(predicted, target).item() == pytest.approx(np.log(1 + errors / SMALL_ERROR).mean(), rel=1e-5)


def test_by_the_logarithm_dull_photos_count_as_much_as_bright_ones() -> None:
    target = torch.stack([torch.full((2, 4, 4), 8.0), torch.full((2, 4, 4), 80.0)])
    for loss, ratio in ((reg_loss, 100), (reg_log_loss, 1.139)):
        scale = torch.zeros(2, requires_grad=True)
        loss(scale[:, None, None, None] * target, target).backward()
        assert scale.grad is not None
        assert (scale.grad[1] / scale.grad[0]).item() == pytest.approx(ratio, rel=0.01)
