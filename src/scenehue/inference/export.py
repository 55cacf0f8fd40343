"""Trained networks as files that run without this project's training packages."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scenehue.color.decoding import decode
from scenehue.errors import ArtifactError, ScenehueError
from scenehue.inference.atomic import written_aside
from scenehue.inference.model import ChromaModel, Decoder
from scenehue.inference.onnx_backend import CARD_KEY, OnnxModel
from scenehue.inference.torch_backend import TorchModel
from scenehue.models.checkpoint import ModelCard
from scenehue.models.ensemble import Network

OPSET = 17
SIZES = ((1, 64, 64), (2, 64, 96), (1, 160, 96), (3, 32, 32))
"""Batches, heights and widths at which an exported graph is compared with the network."""


class _BothDecoded(nn.Module):
    """The network with both ways of decoding as outputs."""

    def __init__(self, net: Network, bins: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("bins_and_one", torch.cat([bins, torch.ones(len(bins), 1)], dim=1).T.contiguous())

    def forward(self, lightness: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.net(lightness)
        logits = outputs.soft_logits.float()
        # The annealed mean as one matrix product whose third row is the softmax's denominator: no map is transposed.
        powers = ((logits - logits.amax(dim=1, keepdim=True)) / temperature).exp()
        sums = (self.bins_and_one @ powers.flatten(2)).unflatten(2, powers.shape[2:])
        return outputs.ab, sums[:, :2] / sums[:, 2:]


class _Decoded(nn.Module):
    """The network with one way of decoding."""

    def __init__(self, net: Network, bins: Tensor, decoder: Decoder) -> None:
        super().__init__()
        self.net, self.decoder = net, decoder
        self.bins: Tensor
        self.register_buffer("bins", bins)

    def forward(self, lightness: Tensor) -> Tensor:
        outputs = self.net(lightness)
        if self.decoder.name == "reg":
            return outputs.ab * self.decoder.saturation
        how: Any = "annealed" if self.decoder.name == "vivid" else self.decoder.name
        return decode(outputs.soft_logits, self.bins, how, self.decoder.temperature) * self.decoder.saturation


def export_onnx(net: Network, card: ModelCard, path: str | Path, half: bool = True) -> float:
    """Writes a network as an ONNX graph, and compares the two.

    The graph takes ``lightness`` (N, 1, H, W), L in 0..100, of any N and with H and W multiples of the card's; and
    ``temperature`` (), 0 for the regression head, else of the annealed mean: 1 is the mean, 0.001 the mode. It gives
    ``ab`` (N, 2, h, w) in Lab units. The soft head is computed only when it is asked for. The metadata holds the card.

    Args:
        net: The network.
        card: Its card.
        path: The file to write.
        half: Stores weights in half precision, which halves the file; computing is in single precision either way.

    Returns:
        The largest difference between graph and network found at several sizes, in ab units.

    Raises:
        ArtifactError: They differ by more than rounding can explain.
    """
    import onnx

    path = Path(path)
    bins = torch.tensor(card.bins, dtype=torch.float32)
    example = (torch.rand(2, 1, 64, 96) * 100, torch.tensor(0.38))
    sizes = {0: "N", 2: "H", 3: "W"}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own successor, and of shapes that it does fold
        draft = os.path.join(folder, "draft.onnx")
        torch.onnx.export(
            _BothDecoded(net.cpu().eval().for_colors(), bins),
            example,
            draft,
            dynamo=False,
            opset_version=OPSET,
            input_names=["lightness", "temperature"],
            output_names=["regression", "annealed"],
            dynamic_axes={"lightness": sizes, "regression": sizes, "annealed": sizes},
        )
        graph = onnx.load(draft)
    _choose_by_temperature(graph.graph)
    if half:
        _store_half(graph.graph)
    entry = graph.metadata_props.add()
    entry.key, entry.value = CARD_KEY, card.model_dump_json()
    onnx.checker.check_model(graph)
    with written_aside(path) as aside:
        aside.write_bytes(graph.SerializeToString())
        return compare(OnnxModel(aside), TorchModel(net, card), tolerance=2.0 if half else 0.05)


def _choose_by_temperature(graph: Any) -> None:
    """Puts the nodes that only the annealed mean needs into the branch of an ``If``: they run only when wanted."""
    from onnx import TensorProto, helper

    makers = {output: node for node in graph.node for output in node.output}

    def ancestors(name: str) -> set[str]:
        found, open_names = set(), [name]
        while open_names:
            node = makers.get(open_names.pop())
            if node is not None and node.output[0] not in found:
                found.add(node.output[0])
                open_names.extend(node.input)
        return found

    only_annealed = ancestors("annealed") - ancestors("regression")
    moved = [node for node in graph.node if node.output[0] in only_annealed]
    kept = [node for node in graph.node if node.output[0] not in only_annealed]
    soft = helper.make_graph(moved, "soft", [], [helper.make_tensor_value_info("annealed", TensorProto.FLOAT, None)])
    reg_output = helper.make_tensor_value_info("regressed", TensorProto.FLOAT, None)
    reg = helper.make_graph([helper.make_node("Identity", ["regression"], ["regressed"])], "reg", [], [reg_output])
    graph.initializer.append(helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]))
    del graph.node[:]
    graph.node.extend(kept)
    graph.node.append(helper.make_node("Greater", ["temperature", "zero"], ["wants_soft"]))
    graph.node.append(helper.make_node("If", ["wants_soft"], ["ab"], then_branch=soft, else_branch=reg))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("ab", TensorProto.FLOAT, ["N", 2, "h", "w"]))
    del graph.value_info[:]


def _store_half(graph: Any) -> None:
    """Stores the larger weights in half precision; onnxruntime turns them back when it loads the graph."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weights in graph.initializer:
        if weights.data_type != TensorProto.FLOAT or np.prod(weights.dims) < 256 or "bins" in weights.name:
            continue
        values = numpy_helper.to_array(weights)
        name = weights.name
        weights.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def export_torch(net: Network, card: ModelCard, path: str | Path, decoder: Decoder) -> float:
    """Writes a network as a ``torch.export`` program (pt2), and compares the two.

    The program takes lightness (N, 1, H, W), L in 0..100, of any N and with H and W multiples of the card's, from twice
    to 256 times it, and gives ab (N, 2, h, w) in Lab units.

    Args:
        net: The network.
        card: Its card.
        path: The file to write.
        decoder: The way of decoding that the program is to contain.

    Returns:
        The largest difference between program and network found at several sizes, in ab units.

    Raises:
        ArtifactError: They differ by more than rounding can explain.
        ScenehueError: torch cannot export the encoder.
    """
    module = _Decoded(net.cpu().eval().for_colors(), torch.tensor(card.bins, dtype=torch.float32), decoder)
    # Tracing fixes an axis that is 1 or equal to another one.
    example = torch.rand(3, 1, 3 * card.multiple, 4 * card.multiple) * 100
    axes = {0: torch.export.Dim("N", max=4096)}
    # Maps of a single point would be traced apart.
    axes |= {axis: card.multiple * torch.export.Dim(name, min=2, max=256) for axis, name in ((2, "H"), (3, "W"))}
    with written_aside(Path(path)) as aside:
        archive = aside.with_name(aside.name + ".pt2")
        try:
            program = torch.export.export(module, (example,), dynamic_shapes={"lightness": axes})
            torch.export.save(program, archive, extra_files={CARD_KEY: card.model_dump_json()})
            exported = torch.export.load(archive).module()
            os.replace(archive, aside)
        except OSError:
            raise
        except Exception as error:  # torch's own kinds share no base but this
            encoder = card.architecture.encoder
            raise ScenehueError(
                f"torch.export cannot take a network around {encoder}: {str(error).partition(chr(10))[0]}; "
                "`scenehue export --to onnx` may"
            ) from error
        finally:
            archive.unlink(missing_ok=True)
        worst = 0.0
        for lightness in _probes():
            if min(lightness.shape[1:]) < 2 * card.multiple:
                continue
            with torch.inference_mode():
                got = exported(torch.from_numpy(lightness)[:, None]).numpy()
            worst = max(worst, float(np.abs(got - TorchModel(net, card).chroma(lightness, decoder)).max()))
        return _checked(worst, 0.05)


def compare(exported: ChromaModel, network: ChromaModel, tolerance: float) -> float:
    """Largest difference in ab units between two models, over several sizes and decoders.

    Raises:
        ArtifactError: It is above `tolerance`.
    """
    decoders = (Decoder("reg"), Decoder("mean"), Decoder("annealed", 0.38))
    worst = 0.0
    for lightness in _probes():
        for decoder in decoders:
            difference = exported.chroma(lightness, decoder) - network.chroma(lightness, decoder)
            worst = max(worst, float(np.abs(difference).max()))
    return _checked(worst, tolerance)


def _checked(worst: float, tolerance: float) -> float:
    if not worst <= tolerance:
        raise ArtifactError(f"the exported graph differs from the network by {worst:.3g} ab units; it was not written")
    return worst


def _probes() -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Smooth random lightness at several sizes."""
    generator = torch.Generator().manual_seed(0)
    probes = []
    for batch, height, width in SIZES:
        coarse = torch.rand(batch, 1, 8, 8, generator=generator) * 100
        probes.append(nn.functional.interpolate(coarse, (height, width), mode="bilinear")[:, 0].numpy())
    return probes
