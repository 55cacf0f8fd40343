import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from scenehue.errors import ArtifactError
from scenehue.scenes.teachers.onnx_file import OnnxTeacher
from scenehue.scenes.views import central_views

WEIGHTS = np.random.default_rng(0).normal(size=(3, 365)).astype(np.float32)


def write_model(path, shape=("n", 3, 224, 224), weights=WEIGHTS, softmax=True):
    """Mean colour times a matrix."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["rgb"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["colour"]),
        helper.make_node("MatMul", ["colour", "weights"], ["logits"]),
        helper.make_node("Softmax" if softmax else "Identity", ["logits"], ["answer"]),
    ]
    graph = helper.make_graph(
        nodes,
        "teacher",
        [helper.make_tensor_value_info("rgb", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def expected(photos, side):
    logits = central_views(photos, side).mean(axis=(2, 3)) @ WEIGHTS
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture
def photos():
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (rng.integers(40, 300), rng.integers(40, 300), 3), np.uint8) for _ in range(5)]


@pytest.mark.parametrize("softmax", [True, False])
@pytest.mark.parametrize(
    ("shape", "side"), [(("n", 3, 224, 224), 224), (("n", 3, "h", "w"), 224), ((1, 3, 64, 64), 64), ((4, 3, 96, 96), 96)]
)
def test_probabilities(tmp_path, photos, shape, side, softmax):
    teacher = OnnxTeacher(write_model(tmp_path / "teacher.onnx", shape, softmax=softmax))
    assert teacher.side == side and teacher.name == "onnx teacher.onnx"
    found = teacher.probabilities(photos)
    assert found.shape == (5, 365) and found.dtype == np.float32
    assert np.abs(found - expected(photos, side)).max() < 1e-6


def test_another_number_of_classes(tmp_path):
    path = write_model(tmp_path / "imagenet.onnx", weights=np.zeros((3, 1000), np.float32))
    with pytest.raises(ArtifactError, match=r"imagenet.onnx gives \(1, 1000\)"):
        OnnxTeacher(path)


def test_another_input(tmp_path):
    path = write_model(tmp_path / "grey.onnx", ("n", 1, 224, 224), np.zeros((1, 365), np.float32))
    with pytest.raises(ArtifactError, match="grey.onnx does not take RGB"):
        OnnxTeacher(path)


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_corrupt_files(tmp_path, keep):
    path = write_model(tmp_path / "broken.onnx")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArtifactError, match="broken.onnx"):
        OnnxTeacher(path)
