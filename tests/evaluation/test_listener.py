import numpy as np
import pytest
import torch

from scenehue.evaluation.listener import OutputListener
from scenehue.inference.model import Decoder
from scenehue.inference.predict import photo_lightness, predict
from scenehue.inference.torch_backend import TorchModel
from scenehue.models.checkpoint import ModelCard
from scenehue.models.ensemble import Ensemble
from scenehue.models.network import ColorNet
from scenehue.params import ModelParams


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = ModelParams(encoder="unet", width=4, soft_stride=4, segmentation_stride=4)
    return TorchModel(ColorNet(config).eval(), ModelCard(architecture=config, size=64, scales=(0.5, 1, 2)))


def flat(level, height, width):
    return np.full((height, width), level, np.uint8)


def test_all_looks_at_a_photograph_are_heard_and_none_at_the_one_before(model):
    scenes, classes = OutputListener(model.net, "scene_logits"), OutputListener(model.net, "class_logits")
    predict(model, flat(20, 90, 120))
    assert scenes().shape == (365,)
    first = classes()
    for decoder in ("reg", "mean"):
        predict(model, flat(200, 90, 120), decoder=Decoder(decoder))
    heard, of_pixels = scenes(), classes()
    lightness = float(photo_lightness(flat(200, 1, 1))[0, 0])
    with torch.inference_mode():
        looks = [model.net(torch.full((1, 1, *shape), lightness)) for shape in ((128, 160), (64, 96), (32, 32))]
    mean = torch.stack([look.scene_logits[0] for look in looks]).mean(0)
    assert np.allclose(heard, mean, atol=1e-5)
    assert of_pixels.shape == first.shape == (182, 32, 40)
    assert np.allclose(of_pixels, looks[0].class_logits[0], atol=1e-5)
    assert not np.allclose(of_pixels, first, atol=1e-5)


def test_of_an_ensemble_it_hears_what_the_members_say_together():
    torch.manual_seed(0)
    config = ModelParams(encoder="unet", width=4, soft_stride=4, segmentation_stride=4)
    net = Ensemble([ColorNet(config), ColorNet(config)]).eval()
    scenes, classes = OutputListener(net, "scene_logits"), OutputListener(net, "class_logits")
    predict(TorchModel(net, ModelCard(architecture=config, size=64)), flat(90, 64, 64))
    seen = torch.full((1, 1, 64, 64), float(photo_lightness(flat(90, 1, 1))[0, 0]))
    with torch.inference_mode():
        said = [member(seen) for member in net.members]
    for heard, output in ((scenes(), "scene_logits"), (classes(), "class_logits")):
        one, other = (getattr(outputs, output)[0].numpy() for outputs in said)
        assert np.allclose(heard, (one + other) / 2, atol=1e-5)
        assert not np.allclose(heard, one, atol=1e-3)
