import numpy as np
import onnx
import pytest
import torch

from scenehue.errors import ArtifactError, ScenehueError
from scenehue.inference import export
from scenehue.inference.export import export_onnx, export_torch
from scenehue.inference.loading import load_model
from scenehue.inference.model import Decoder
from scenehue.inference.onnx_backend import OnnxModel
from scenehue.inference.predict import predict
from scenehue.inference.torch_backend import TorchModel, load_torch_model
from scenehue.models.checkpoint import ModelCard, load_checkpoint, save_checkpoint
from scenehue.models.ensemble import Ensemble
from scenehue.models.network import ColorNet
from scenehue.params import ModelParams

DECODERS = [Decoder("reg"), Decoder("mean"), Decoder("annealed", 0.38), Decoder("vivid", 0.2, 1.3)]


def lightness(batch, height, width):
    return np.random.default_rng(0).uniform(0, 100, (batch, height, width)).astype(np.float32)


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.name)
@pytest.mark.parametrize("shape", [(1, 32, 32), (2, 64, 96), (1, 224, 32)])
def test_graph_agrees_with_the_network(model_folder, decoder, shape):
    graph, network = OnnxModel(model_folder / "model.onnx"), TorchModel(*load_checkpoint(model_folder))
    ours, theirs = graph.chroma(lightness(*shape), decoder), network.chroma(lightness(*shape), decoder)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype == np.float32
    assert np.abs(ours - theirs).max() < 0.5
    assert np.abs(ours).max() > 1


def test_mode_is_a_bin_at_almost_every_pixel(model_folder):
    graph, network = OnnxModel(model_folder / "model.onnx"), TorchModel(*load_checkpoint(model_folder))
    ours, theirs = (model.chroma(lightness(1, 64, 64), Decoder("mode")) for model in (graph, network))
    assert (np.abs(ours - theirs).max(axis=1) < 0.1).mean() > 0.97


def test_soft_head_runs_only_when_it_is_wanted(model_folder):
    graph = onnx.load(model_folder / "model.onnx").graph
    assert [node.op_type for node in graph.node][-1] == "If"
    assert "Exp" not in {node.op_type for node in graph.node}
    (soft,) = (attribute.g for attribute in graph.node[-1].attribute if attribute.name == "then_branch")
    assert {"Exp", "MatMul"} <= {node.op_type for node in soft.node}


def test_half_precision_halves_the_file_and_full_is_exact(model_folder, tmp_path):
    net, card = load_checkpoint(model_folder)
    assert export_onnx(net, card, tmp_path / "full.onnx", half=False) < 1e-2
    sizes = [path.stat().st_size for path in (model_folder / "model.onnx", tmp_path / "full.onnx")]
    assert sizes[0] < 0.65 * sizes[1]


def test_torch_program_takes_other_sizes(model_folder, tmp_path):
    net, card = load_checkpoint(model_folder)
    decoder = Decoder("vivid", 0.3, 1.2)
    assert export_torch(net, card, tmp_path / "model.pt2", decoder) < 1e-2
    program = torch.export.load(tmp_path / "model.pt2").module()
    with torch.inference_mode():
        got = program(torch.from_numpy(lightness(2, 64, 160))[:, None]).numpy()
    assert np.allclose(got, TorchModel(net, card).chroma(lightness(2, 64, 160), decoder), atol=1e-2)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt2"]


def test_a_segmentation_head_is_left_out(tmp_path):
    architecture = ModelParams(encoder="unet", width=4, soft_stride=4, segmentation_stride=2)
    torch.manual_seed(0)
    save_checkpoint(tmp_path, ColorNet(architecture), ModelCard(architecture=architecture, size=64))
    net, card = load_checkpoint(tmp_path)
    export_onnx(net, card, tmp_path / "model.onnx")
    sizes = {size for weights in onnx.load(tmp_path / "model.onnx").graph.initializer for size in weights.dims}
    assert 182 not in sizes
    photo = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    expected = predict(TorchModel(net, card), photo)
    assert np.array_equal(predict(load_torch_model(tmp_path, "cpu"), photo), expected)
    assert np.abs(predict(load_model(tmp_path)[0], photo).astype(int) - expected).max() <= 2


def test_a_graph_that_differs_is_not_written(model_folder, tmp_path, monkeypatch):
    net, card = load_checkpoint(model_folder)

    class Wrong(OnnxModel):
        def chroma(self, lightness, decoder):
            return super().chroma(lightness, decoder) + 5

    monkeypatch.setattr(export, "OnnxModel", Wrong)
    with pytest.raises(ArtifactError, match="differs from the network by 5"):
        export_onnx(net, card, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


class Starving(torch.nn.Module):
    """A network that runs out of memory with more than `most` photos at once, as long as it is not told to stop."""

    def __init__(self, net, most):
        super().__init__()
        self.net, self.most, self.seen = net, most, []

    def forward(self, lightness):
        self.seen.append(len(lightness))
        if len(lightness) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return self.net(lightness)


@pytest.mark.parametrize(("most", "seen"), [(2, [5, 2, 3, 1, 2]), (0, [3, 1])])
def test_out_of_memory_means_smaller_batches_then_the_cpu(model_folder, caplog, most, seen):
    net, card = load_checkpoint(model_folder)
    plain = TorchModel(net, card)
    model = TorchModel(Starving(net, most), card)
    model.device = torch.device("meta")  # stands for a GPU: not the CPU
    moved = []

    def on_cpu(self=model.net):
        moved.append(True)
        self.most = 99
        return self

    model.net.cpu = on_cpu
    model._decoded = lambda planes, decoder: TorchModel._decoded(_on_cpu(model), planes, decoder)
    planes = lightness(seen[0], 32, 32)
    assert np.allclose(model.chroma(planes, Decoder()), plain.chroma(planes, Decoder()), atol=1e-3)
    assert model.net.seen[: len(seen)] == seen
    assert moved == ([] if most else [True])
    assert "out of memory" in caplog.text
    assert ("the CPU takes over" in caplog.text) == (not most)


def _on_cpu(model):
    class View:
        device, dtype, net, bins = torch.device("cpu"), model.dtype, model.net, model.bins

    return View


@pytest.fixture(scope="module")
def ensemble_folder(tmp_path_factory):
    """Two networks around the encoder that is released."""
    folder = tmp_path_factory.mktemp("ensemble")
    architecture = ModelParams(pretrained=False, decoder_channels=(16, 12, 8))
    torch.manual_seed(0)
    nets = [ColorNet(architecture), ColorNet(architecture)]
    with torch.no_grad():
        for net in nets:
            net.soft_head.weight.mul_(20)
    save_checkpoint(folder, Ensemble(nets), ModelCard(architecture=architecture, size=64, scales=(0.5, 1)))
    export_onnx(*load_checkpoint(folder), folder / "model.onnx", half=False)
    return folder


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.name)
def test_a_graph_has_all_members_of_an_ensemble(ensemble_folder, decoder):
    net, card = load_checkpoint(ensemble_folder)
    seen = lightness(2, 96, 64)
    together = TorchModel(net, card).chroma(seen, decoder)
    assert np.abs(OnnxModel(ensemble_folder / "model.onnx").chroma(seen, decoder) - together).max() < 1e-2
    for member in net.members:
        assert np.abs(TorchModel(member, card).chroma(seen, decoder) - together).max() > 0.1


def test_a_torch_program_has_all_members_of_an_ensemble(ensemble_folder, tmp_path):
    net, card = load_checkpoint(ensemble_folder)
    decoder, seen = Decoder("vivid", 0.3, 1.2), lightness(2, 96, 160)
    export_torch(net, card, tmp_path / "model.pt2", decoder)
    program = torch.export.load(tmp_path / "model.pt2").module()
    with torch.inference_mode():
        got = program(torch.from_numpy(seen)[:, None]).numpy()
    assert np.abs(got - TorchModel(net, card).chroma(seen, decoder)).max() < 1e-2


def test_what_torch_cannot_export_is_an_error_with_a_way_out(model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.export, "save", lambda *args, **options: 1 / 0)
    with pytest.raises(ScenehueError, match="scenehue export --to onnx"):
        export_torch(*load_checkpoint(model_folder), tmp_path / "model.pt2", Decoder("reg"))
    assert list(tmp_path.iterdir()) == []
