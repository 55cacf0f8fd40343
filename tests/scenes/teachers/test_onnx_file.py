import numpy as np
import pytest

from scenehue.errors import ArtifactError
from scenehue.scenes.teachers.onnx_file import OnnxTeacher
from scenehue.scenes.views import central_views
from scenes.tiny_teacher import WEIGHTS, write_teacher


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
    ("shape", "side"),
    [(("n", 3, 224, 224), 224), (("n", 3, "h", "w"), 224), ((1, 3, 64, 64), 64), ((4, 3, 96, 96), 96)],
)
def test_probabilities(tmp_path, photos, shape, side, softmax):
    teacher = OnnxTeacher(write_teacher(tmp_path / "teacher.onnx", shape, softmax=softmax))
    assert teacher.side == side
    assert teacher.name == "onnx teacher.onnx"
    found = teacher.probabilities(photos)
    assert found.shape == (5, 365)
    assert found.dtype == np.float32
    assert np.abs(found - expected(photos, side)).max() < 1e-6


def test_another_number_of_classes(tmp_path):
    path = write_teacher(tmp_path / "imagenet.onnx", weights=np.zeros((3, 1000), np.float32))
    with pytest.raises(ArtifactError, match=r"imagenet.onnx gives \(1, 1000\)"):
        OnnxTeacher(path)


def test_another_input(tmp_path):
    path = write_teacher(tmp_path / "grey.onnx", ("n", 1, 224, 224), np.zeros((1, 365), np.float32))
    with pytest.raises(ArtifactError, match=r"grey\.onnx must take RGB"):
        OnnxTeacher(path)


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_corrupt_files(tmp_path, keep):
    path = write_teacher(tmp_path / "broken.onnx")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArtifactError, match=r"broken\.onnx"):
        OnnxTeacher(path)
