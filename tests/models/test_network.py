import numpy as np
import pytest
import torch

from scenehue.errors import ParamsError
from scenehue.models.network import ColorNet
from scenehue.models.pretrained import create_classifier
from scenehue.params import ModelParams

UNET = ModelParams(encoder="unet", width=4, soft_stride=1)
TIMM = ModelParams(pretrained=False, decoder_channels=(16, 12, 8))


@pytest.mark.parametrize(
    ("config", "reg_stride", "soft_stride"),
    [
        (UNET, 1, 1),
        (UNET.model_copy(update={"soft_stride": 4}), 1, 4),
        (TIMM, 4, 4),
        (TIMM.model_copy(update={"decoder_block": "separable", "soft_stride": 8}), 4, 8),
        (TIMM.model_copy(update={"encoder": "resnet18", "decoder_channels": (16, 12, 8, 8)}), 2, 4),
        (TIMM.model_copy(update={"encoder": "convnext_atto"}), 4, 4),
        (UNET.model_copy(update={"segmentation_stride": 8}), 1, 1),
        (TIMM.model_copy(update={"segmentation_stride": 4}), 4, 4),
    ],
)
def test_shapes_and_gradients(config: ModelParams, reg_stride: int, soft_stride: int) -> None:
    net = ColorNet(config)
    outputs = net(torch.rand(2, 1, 64, 96) * 100)
    assert outputs.ab.shape == (2, 2, 64 // reg_stride, 96 // reg_stride)
    assert outputs.soft_logits.shape == (2, 313, 64 // soft_stride, 96 // soft_stride)
    assert outputs.scene_logits is not None
    assert outputs.scene_logits.shape == (2, 365)
    if (stride := config.segmentation_stride) is None:
        assert outputs.class_logits is None
    else:
        assert outputs.class_logits.shape == (2, 182, 64 // stride, 96 // stride)
    sum(output.mean() for output in outputs if output is not None).backward()
    unused = [name for name, parameter in net.named_parameters() if parameter.grad is None]
    assert not unused


def test_the_papers_network_has_its_size() -> None:
    with torch.device("meta"):
        net = ColorNet(ModelParams(encoder="unet", width=64, soft_stride=1, scene_context="auxiliary"))
    assert sum(parameter.numel() for parameter in net.parameters()) == pytest.approx(36.0e6, rel=0.005)


@pytest.mark.parametrize("context", ["none", "auxiliary", "fused"])
def test_what_the_scene_can_reach(context: str) -> None:
    torch.manual_seed(0)
    net = ColorNet(UNET.model_copy(update={"scene_context": context})).eval()
    if net.scene_fusion is not None:
        torch.nn.init.normal_(net.scene_fusion.modulation.weight)
    lightness = torch.rand(1, 1, 64, 64) * 100
    before = net(lightness)
    if net.scene_head is None:
        assert before.scene_logits is None
        return
    with torch.no_grad():
        net.scene_head[-1].bias[7] += 20
    after = net(lightness)
    assert after.scene_logits is not None
    assert after.scene_logits.argmax() == 7
    assert torch.equal(before.ab, after.ab) == (context == "auxiliary")


def test_fusion_starts_as_the_identity() -> None:
    torch.manual_seed(0)
    fused = ColorNet(TIMM)
    plain = ColorNet(TIMM.model_copy(update={"scene_context": "auxiliary"}))
    plain.load_state_dict(fused.state_dict(), strict=False)
    lightness = torch.rand(1, 1, 32, 32) * 100
    assert torch.equal(fused.eval()(lightness).ab, plain.eval()(lightness).ab)


def test_a_segmentation_head_leaves_the_rest_as_it_is() -> None:
    torch.manual_seed(0)
    plain = ColorNet(UNET).eval()
    torch.manual_seed(0)
    segmenting = ColorNet(UNET.model_copy(update={"segmentation_stride": 4})).eval()
    lightness = torch.rand(1, 1, 32, 32) * 100
    assert torch.equal(plain(lightness).ab, segmenting(lightness).ab)
    assert torch.equal(plain(lightness).soft_logits, segmenting(lightness).soft_logits)


def test_for_colours_the_segmentation_head_is_left_out_and_nothing_copied() -> None:
    net = ColorNet(UNET.model_copy(update={"segmentation_stride": 4})).eval()
    slim = net.for_colors()
    lightness = torch.rand(1, 1, 32, 32) * 100
    assert slim(lightness).class_logits is None
    assert torch.equal(slim(lightness).ab, net(lightness).ab)
    assert slim.state_dict().keys() == {key for key in net.state_dict() if not key.startswith("segmentation_head")}
    assert slim.reg_head.weight is net.reg_head.weight
    assert net.segmentation_head is not None


def test_colours_stay_in_the_range_of_srgb() -> None:
    net = ColorNet(UNET).eval()
    with torch.no_grad():
        net.reg_head.bias += 1e4
    assert net(torch.zeros(1, 1, 32, 32)).ab.abs().max() <= 110


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"encoder": "no_such_net"}, "train.model.encoder"),
        ({"soft_stride": 2}, "train.model.soft_stride"),
        ({"segmentation_stride": 1}, "train.model.segmentation_stride"),
        ({"decoder_channels": (8,) * 6}, "train.model.decoder_channels"),
    ],
)
def test_an_impossible_architecture_names_its_key(change: dict[str, object], key: str) -> None:
    with pytest.raises(ParamsError, match=key):
        ColorNet(TIMM.model_copy(update=change))


def test_imagenet_weights_of_the_encoder_see_grey_photos() -> None:
    """A grey photo's features are those of the RGB classifier on the same greys."""
    classifier = create_classifier("tf_efficientnet_lite0").eval()
    encoder = ColorNet(TIMM.model_copy(update={"pretrained": True})).encoder.eval()
    grey = torch.rand(1, 1, 64, 64) * 2 - 1
    with torch.no_grad():
        expected = classifier.blocks(classifier.bn1(classifier.conv_stem(grey.repeat(1, 3, 1, 1))))
        np.testing.assert_allclose(encoder(grey)[-1].numpy(), expected.numpy(), atol=1e-3)
