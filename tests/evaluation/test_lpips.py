from __future__ import annotations

import hashlib

import pytest
import torch
import torchvision
from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

from scenehue.evaluation import lpips


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_without_weights_the_reason_is_given_and_nothing_is_downloaded(checkpoints):
    distance, reason = lpips.load_lpips()
    assert distance is None
    assert "alexnet-owt-7be5be79.pth" in reason
    assert not list(checkpoints.iterdir())


def test_a_file_that_is_not_what_its_name_says_is_not_opened(checkpoints):
    (checkpoints / lpips.WEIGHTS["alex"]).write_bytes(b"anything")
    distance, reason = lpips.load_lpips()
    assert distance is None
    assert "checksum" in reason


def test_names_are_those_that_torchvision_looks_for():
    for net, weights in (
        ("alex", torchvision.models.AlexNet_Weights.DEFAULT),
        ("squeeze", torchvision.models.SqueezeNet1_1_Weights.DEFAULT),
    ):
        assert weights.url.endswith("/" + lpips.WEIGHTS[net])


def test_with_weights_it_is_the_distance_of_torchmetrics(checkpoints, picture_pair, monkeypatch):
    torch.manual_seed(0)
    weights = checkpoints / "made.pth"
    torch.save(torchvision.models.squeezenet1_1().state_dict(), weights)
    start = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    weights.rename(checkpoints / f"squeezenet1_1-{start}.pth")
    monkeypatch.setitem(lpips.WEIGHTS, "squeeze", f"squeezenet1_1-{start}.pth")
    # Torchvision finds its own name in the folder, so it downloads nothing.
    name = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.url.rsplit("/", 1)[1]
    (checkpoints / name).symlink_to(checkpoints / f"squeezenet1_1-{start}.pth")
    distance, label = lpips.load_lpips("squeeze")
    assert label == "LPIPS (squeeze)"
    truth, result = picture_pair
    tensors = [torch.from_numpy(picture).permute(2, 0, 1)[None] / 255 for picture in (truth, result)]
    expected = learned_perceptual_image_patch_similarity(*tensors, net_type="squeeze", normalize=True)
    assert distance(truth, result) == pytest.approx(float(expected), rel=1e-4)
    assert distance(truth, truth) == pytest.approx(0, abs=1e-6)
    assert float(expected) > 0
