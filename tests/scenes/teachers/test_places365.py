import os
import pickle
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import timm
import torch

from scenehue.errors import ArtifactError
from scenehue.scenes.teachers.places365 import Places365Teacher
from scenehue.scenes.views import central_views


def checkpoint(architecture, classes=365):
    """The layout of the public files: keys of a DataParallel net, from a time when BatchNorm counted no batches."""
    torch.manual_seed(0)
    net = timm.create_model(architecture, num_classes=classes).eval()
    state = {
        f"module.{key}": value for key, value in net.state_dict().items() if not key.endswith("num_batches_tracked")
    }
    return net, {"epoch": 90, "arch": architecture, "state_dict": state, "best_prec1": torch.tensor(54.7)}


class Python2Pickler(pickle._Pickler):
    """Writes strings as Python 2 did, which made the public files."""

    def save_str(self, text):
        if text.isascii() and len(text) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(text)]) + text.encode())
        else:
            super().save_str(text)

    dispatch: ClassVar = {**pickle._Pickler.dispatch, str: save_str}


PYTHON2 = {
    "pickle_module": SimpleNamespace(Pickler=Python2Pickler, dump=pickle.dump, __name__="python2"),
    "_use_new_zipfile_serialization": False,
}


@pytest.mark.parametrize(("architecture", "how"), [("resnet18", PYTHON2), ("resnet18", {}), ("resnet50", PYTHON2)])
def test_public_layout(tmp_path, architecture, how):
    net, content = checkpoint(architecture)
    path = tmp_path / f"{architecture}_places365.pth.tar"
    torch.save(content, path, **how)
    teacher = Places365Teacher(path, "cpu")
    assert teacher.name == f"places365 {architecture}"
    photos = [np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)]
    found = teacher.probabilities(photos)
    rgb = torch.from_numpy(central_views(photos))
    mean, std = (torch.tensor(net.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    with torch.inference_mode():
        logits = net((rgb - mean) / std)
    assert found.shape == (1, 365)
    assert found.dtype == np.float32
    assert np.allclose(found, torch.softmax(logits, 1), atol=1e-6)


class Malice:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_code_is_refused_and_not_run(tmp_path, zipped):
    _, content = checkpoint("resnet18")
    path, trace = tmp_path / "malicious.pth.tar", tmp_path / "trace"
    torch.save({**content, "extra": Malice(trace)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ArtifactError, match=r"malicious\.pth\.tar is corrupt or holds more than weights"):
        Places365Teacher(path, "cpu")
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()


def test_another_number_of_classes(tmp_path):
    path = tmp_path / "imagenet.pth.tar"
    torch.save(checkpoint("resnet18", 1000)[1], path)
    with pytest.raises(ArtifactError, match=r"imagenet\.pth\.tar tells 1000 classes apart"):
        Places365Teacher(path, "cpu")


def test_other_networks(tmp_path):
    _, content = checkpoint("resnet18")
    path = tmp_path / "other.pth.tar"
    del content["state_dict"]["module.layer4.1.conv2.weight"]
    torch.save(content, path)
    with pytest.raises(ArtifactError, match=r"other\.pth\.tar does not fit resnet18"):
        Places365Teacher(path, "cpu")
    for strange in ({"state_dict": {"module.classifier.weight": torch.zeros(365, 3)}}, {"state_dict": 3}, [1, 2], {}):
        torch.save(strange, path)
        with pytest.raises(ArtifactError, match=r"other\.pth\.tar is no ResNet checkpoint"):
            Places365Teacher(path, "cpu")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\3\4 half a zip file", b"\x80\x02}q\x00(U\x05"])
def test_corrupt_files(tmp_path, content):
    path = tmp_path / "broken.pth.tar"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"broken\.pth\.tar"):
        Places365Teacher(path, "cpu")
