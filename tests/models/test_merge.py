from pathlib import Path

import pytest
import torch

from scenehue.errors import ArtifactError
from scenehue.models.checkpoint import ModelCard, load_checkpoint, save_checkpoint
from scenehue.models.ensemble import Ensemble
from scenehue.models.merge import load_ensemble, load_soup
from scenehue.models.network import ColorNet
from scenehue.params import ModelParams

CONFIG = ModelParams(encoder="unet", width=4, soft_stride=4)


def checkpoint(folder: Path, value: float, config: ModelParams = CONFIG) -> Path:
    net = ColorNet(config)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.fill_(value)
    save_checkpoint(folder, net, ModelCard(architecture=config, size=int(32 * value)))
    return folder


def test_weights_and_statistics_are_averaged(tmp_path: Path) -> None:
    net, cards = load_soup([checkpoint(tmp_path / str(value), value) for value in (1, 2, 6)])
    floating = [value for value in net.state_dict().values() if value.is_floating_point()]
    assert all((value == 3).all() for value in floating)
    assert [card.size for card in cards] == [32, 64, 192]
    assert not net.training


def test_one_network_is_itself(tmp_path: Path) -> None:
    net, _ = load_soup([checkpoint(tmp_path / "one", 5)])
    assert (net.reg_head.weight == 5).all()


def test_other_architectures_are_refused_by_name(tmp_path: Path) -> None:
    other = CONFIG.model_copy(update={"width": 8})
    with pytest.raises(ArtifactError, match="two cannot be combined"):
        load_soup([checkpoint(tmp_path / "one", 1), checkpoint(tmp_path / "two", 1, other)])


def test_an_ensemble_has_the_members_of_all(tmp_path: Path) -> None:
    first, second, third = (checkpoint(tmp_path / str(value), value) for value in (1, 2, 3))
    both, cards = load_ensemble([first, second])
    save_checkpoint(tmp_path / "both", both, cards[0])
    ensemble, cards = load_ensemble([tmp_path / "both", third])
    assert [member.reg_head.weight[0, 0].item() for member in ensemble.members] == [1, 2, 3]
    assert [card.members for card in cards] == [2, 1]
    assert not ensemble.training


def test_an_ensemble_has_no_more_members_than_a_checkpoint_may(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="65 networks"):
        load_ensemble([checkpoint(tmp_path / "one", 1)] * 65)


def test_the_weights_of_an_ensemble_are_not_averaged(tmp_path: Path) -> None:
    one = checkpoint(tmp_path / "one", 1)
    net, card = load_checkpoint(one)
    save_checkpoint(tmp_path / "two", Ensemble([net, ColorNet(CONFIG)]), card)
    with pytest.raises(ArtifactError, match="two holds an ensemble"):
        load_soup([one, tmp_path / "two"])
