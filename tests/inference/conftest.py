"""A tiny network, exported once, and a stand-in that needs no network at all."""

from pathlib import Path

import numpy as np
import pytest

from scenehue.inference.card import Card


class Tinter:
    """A `ChromaModel` whose chroma is a fixed function of lightness; it is far out of gamut in places."""

    size = 64
    multiple = 32
    scales: tuple[float, ...] = (1.0,)
    card = Card(size=64, multiple=32)

    def __init__(self, chroma=60.0):
        self.amount = chroma
        self.batches = []

    def chroma(self, lightness, decoder):
        self.batches.append(lightness.shape)
        height, width = lightness.shape[1] // 4, lightness.shape[2] // 4
        rows, columns = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
        ab = self.amount * decoder.saturation * np.stack([rows, columns]).astype(np.float32)
        return np.repeat(ab[None], len(lightness), axis=0)


@pytest.fixture
def tinter() -> Tinter:
    return Tinter()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    """A small network with random weights as a checkpoint with its exported graph."""
    import torch

    from scenehue.inference.export import export_onnx
    from scenehue.models.checkpoint import ModelCard, save_checkpoint
    from scenehue.models.network import ColorNet
    from scenehue.params import ModelParams

    torch.manual_seed(0)
    architecture = ModelParams(encoder="unet", width=4, soft_stride=4, pretrained=False)
    net = ColorNet(architecture).eval()
    torch.nn.init.normal_(net.reg_head.weight, std=0.3)
    torch.nn.init.normal_(net.soft_head.weight, std=0.5)
    card = ModelCard(architecture=architecture, size=64, decoders={"vivid": {"temperature": 0.3, "saturation": 1.2}})
    folder = tmp_path_factory.mktemp("model")
    save_checkpoint(folder, net, card)
    export_onnx(net, card, folder / "model.onnx")
    return folder


@pytest.fixture(scope="session")
def photo(sample_folder) -> Path:
    return sample_folder / "scarlet-macaw.jpg"
