import pytest
import timm
import torch

from scenehue.errors import ArtifactError
from scenehue.params import SceneProbsParams
from scenehue.scenes.teachers import open_teacher
from scenes.tiny_teacher import write_teacher


def test_the_parameters_choose(tmp_path):
    graph = write_teacher(tmp_path / "teacher.onnx")
    checkpoint = tmp_path / "resnet18_places365.pth.tar"
    torch.save({"state_dict": timm.create_model("resnet18", num_classes=365).state_dict()}, checkpoint)
    names = [
        open_teacher(SceneProbsParams(), "cpu").name,
        open_teacher(SceneProbsParams(teacher="onnx", weights=str(graph))).name,
        open_teacher(SceneProbsParams(teacher="places365", weights=str(checkpoint)), "cpu").name,
    ]
    assert names == ["packaged efficientnet-lite0 head", "onnx teacher.onnx", "places365 resnet18"]


def test_the_checksum_counts(tmp_path):
    graph = write_teacher(tmp_path / "teacher.onnx")
    with pytest.raises(ArtifactError, match=r"teacher\.onnx is not the file that was asked for"):
        open_teacher(SceneProbsParams(teacher="onnx", weights=str(graph), sha256="0" * 64))
