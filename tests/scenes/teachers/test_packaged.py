import json
from importlib.resources import files

import numpy as np
import pytest
import torch

from scenehue.data.decode import decode_rgb
from scenehue.errors import ArtifactError
from scenehue.models.pretrained import create_classifier
from scenehue.scenes.labels import NAMES
from scenehue.scenes.teachers.packaged import PackagedTeacher, SceneFeatures

PACKAGED = files("scenehue.scenes") / "packaged"


@pytest.fixture(scope="module")
def teacher():
    return PackagedTeacher("cpu")


@pytest.mark.parametrize(
    ("photo", "scene"),
    [
        ("wooden-windmill-khokhlovka", "windmill"),
        ("pont-du-gard", "aqueduct"),
        ("red-pyramid-dahshur", "desert/sand"),
        ("neuschwanstein-castle", "castle"),
        ("summer-palace-tower", "pagoda"),
        ("river-dam-hills", "dam"),
    ],
)
def test_scenes_that_anyone_would_name(teacher, sample_folder, photo, scene):
    (found,) = teacher.probabilities([decode_rgb((sample_folder / f"{photo}.jpg").read_bytes(), short_side=256)])
    assert NAMES[found.argmax()] == scene


def test_a_batch_changes_nothing(teacher):
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (size, 90, 3), np.uint8) for size in (50, 100, 300)]
    together = teacher.probabilities(photos)
    assert together.shape == (3, 365)
    assert together.dtype == np.float32
    assert np.allclose(together.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(together, np.concatenate([teacher.probabilities([photo]) for photo in photos]), atol=1e-5)


def test_folded_norms_leave_the_features_as_they_were():
    rgb = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    whole = create_classifier("tf_efficientnet_lite0").eval()
    stages = []
    for block in whole.blocks:
        block.register_forward_hook(lambda module, inputs, output: stages.append(output))
    with torch.inference_mode():
        last = whole.forward_features(2 * rgb - 1)
        found = SceneFeatures()(rgb)
    late = [statistic for x in stages[3:] for statistic in (x.mean((2, 3)), x.std((2, 3)))]
    assert torch.allclose(found, torch.cat([*late, last.mean((2, 3))], dim=1), atol=1e-4)


@pytest.mark.parametrize("content", [b"", b"no tensors", (PACKAGED / "head.safetensors").read_bytes()[:-1]])
def test_corrupt_heads(tmp_path, content):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"broken\.safetensors is no scene head"):
        PackagedTeacher("cpu", path)


def test_the_head_is_small():
    assert len((PACKAGED / "head.safetensors").read_bytes()) < 1.1e6


def test_the_card_quotes_what_was_measured():
    card = (PACKAGED / "CARD.md").read_text(encoding="utf-8")
    measured = json.loads((PACKAGED / "figures.json").read_text(encoding="utf-8"))
    assert measured["teacher_sha256"] in card
    for key in ("five_hold_teachers_first", "same_first", "head_top1", "head_top5", "teacher_top1", "teacher_top5"):
        assert f"{100 * measured[key]:.1f} %" in card, key
