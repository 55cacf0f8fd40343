import numpy as np
import torch
from scipy.special import softmax
from scipy.stats import gmean

from scenehue.models.ensemble import Ensemble, members_of
from scenehue.models.network import ColorNet
from scenehue.params import ModelParams

CONFIG = ModelParams(encoder="unet", width=4, soft_stride=2)
LIGHTNESS = torch.from_numpy(np.random.default_rng(0).uniform(0, 100, (2, 1, 64, 96)).astype(np.float32))


def nets(number: int, config: ModelParams = CONFIG) -> list[ColorNet]:
    torch.manual_seed(0)
    made = [ColorNet(config).eval() for _ in range(number)]
    with torch.no_grad():
        for net in made:
            net.soft_head.weight.mul_(20)  # so that they differ in more than rounding
    return made


@torch.inference_mode()
def test_ab_are_averaged_and_distributions_by_the_geometric_mean() -> None:
    members = nets(3)
    said, together = [net(LIGHTNESS) for net in members], Ensemble(members).eval()(LIGHTNESS)
    assert np.allclose(together.ab, np.mean([outputs.ab for outputs in said], axis=0), atol=1e-5)
    for output in ("soft_logits", "scene_logits"):
        means = gmean([softmax(getattr(outputs, output).numpy(), axis=1) for outputs in said])
        expected = means / means.sum(1, keepdims=True)
        assert np.allclose(getattr(together, output).softmax(1), expected, atol=1e-5)
        assert not np.allclose(getattr(said[0], output).softmax(1), expected, atol=1e-4)
    assert together.class_logits is None


@torch.inference_mode()
def test_heads_that_the_members_lack_are_lacking() -> None:
    alone = CONFIG.model_copy(update={"scene_context": "none", "segmentation_stride": 4})
    outputs = Ensemble(nets(2, alone))(LIGHTNESS)
    assert outputs.scene_logits is None
    assert outputs.class_logits.shape == (2, 182, 16, 24)


@torch.inference_mode()
def test_for_colours_the_segmentation_heads_are_left_out_and_nothing_copied() -> None:
    ensemble = Ensemble(nets(2, CONFIG.model_copy(update={"segmentation_stride": 4}))).eval()
    slim = ensemble.for_colors()
    assert torch.equal(slim(LIGHTNESS).ab, ensemble(LIGHTNESS).ab)
    assert slim(LIGHTNESS).class_logits is None
    assert not slim.training
    for ours, theirs in zip(members_of(slim), members_of(ensemble), strict=True):
        assert ours.reg_head.weight is theirs.reg_head.weight


def test_a_network_alone_is_its_own_member() -> None:
    (net,) = nets(1)
    assert members_of(net) == [net]
    assert members_of(Ensemble([net])) == [net]
    assert Ensemble([net]).config is CONFIG
