from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from scenehue.color.bins import AB_SCALE
from scenehue.models.checkpoint import ModelCard, save_checkpoint
from scenehue.models.ensemble import Ensemble
from scenehue.models.network import ColorNet
from scenehue.params import ModelParams
from scenehue.training.distillation import Teachers

CONFIG = ModelParams(encoder="unet", width=4, soft_stride=2)


def net_of(seed: int) -> ColorNet:
    torch.manual_seed(seed)
    return ColorNet(CONFIG).eval()


def saying(folder: Path, ab: tuple[float, float], size: int = 64, scales: tuple[float, ...] = (1.0,)) -> Path:
    """A teacher that says the same colour of everything."""
    net = net_of(0)
    torch.nn.init.zeros_(net.reg_head.weight)
    net.reg_head.bias.data = torch.atanh(torch.tensor(ab) / AB_SCALE)
    save_checkpoint(folder, net, ModelCard(architecture=CONFIG, size=size, scales=scales))
    return folder


def test_the_mean_of_teachers_counts_each_once_however_often_it_looks(tmp_path: Path) -> None:
    folders = [saying(tmp_path / "a", (30, -20), 32, (1.0, 2.0)), saying(tmp_path / "b", (10, 20))]
    ab = Teachers(folders).ab(torch.full((2, 1, 64, 64), 50.0), torch.empty(2, 2, 16, 16))
    assert ab.shape == (2, 2, 16, 16)
    assert torch.allclose(ab, torch.tensor([20.0, 0.0])[None, :, None, None].expand_as(ab), atol=1e-4)


def test_a_teacher_sees_crops_at_its_own_size(tmp_path: Path) -> None:
    net = net_of(1)
    save_checkpoint(tmp_path, net, ModelCard(architecture=CONFIG, size=32))
    lightness = torch.from_numpy(np.random.default_rng(0).uniform(0, 100, (1, 1, 64, 64)).astype(np.float32))
    with torch.inference_mode():
        expected = net(F.interpolate(lightness, (32, 32), mode="bilinear", antialias=True)).ab
    assert torch.allclose(Teachers([tmp_path]).ab(lightness, torch.empty(1, 2, 32, 32)), expected, atol=1e-4)


def test_an_ensemble_teaches_what_its_members_say_together(tmp_path: Path) -> None:
    card = ModelCard(architecture=CONFIG, size=64)
    nets = [net_of(1), net_of(2)]
    for index, net in enumerate(nets):
        save_checkpoint(tmp_path / str(index), net, card)
    save_checkpoint(tmp_path / "both", Ensemble(nets), card)
    lightness = torch.from_numpy(np.random.default_rng(0).uniform(0, 100, (2, 1, 64, 64)).astype(np.float32))
    one_by_one = Teachers([tmp_path / "0", tmp_path / "1"]).ab(lightness, torch.empty(2, 2, 64, 64))
    assert torch.allclose(Teachers([tmp_path / "both"]).ab(lightness, torch.empty(2, 2, 64, 64)), one_by_one, atol=1e-4)
