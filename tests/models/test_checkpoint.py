import errno
import json
from pathlib import Path

import pytest
import torch

from scenehue.errors import ArtifactError
from scenehue.models.checkpoint import CARD, WEIGHTS, ModelCard, load_checkpoint, save_checkpoint
from scenehue.models.ensemble import Ensemble
from scenehue.models.network import ColorNet
from scenehue.params import ModelParams

CONFIG = ModelParams(encoder="unet", width=4, soft_stride=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    card = ModelCard(architecture=CONFIG, size=64, decoders={"vivid": {"temperature": 0.2, "saturation": 1.3}})
    save_checkpoint(tmp_path, ColorNet(CONFIG), card)
    return tmp_path


def test_loads_what_was_saved(folder: Path) -> None:
    torch.manual_seed(0)
    original = ColorNet(CONFIG).eval()
    net, card = load_checkpoint(folder)
    lightness = torch.rand(1, 1, 32, 32) * 100
    assert all(torch.equal(*pair) for pair in zip(net(lightness)[:3], original(lightness), strict=False))
    assert (card.size, card.multiple, len(card.bins), card.decoders["vivid"]["saturation"]) == (64, 32, 313, 1.3)
    assert {path.name for path in folder.iterdir()} == {WEIGHTS, CARD}


def test_an_error_leaves_the_old_files_and_no_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, card = load_checkpoint(folder)
    before = (folder / WEIGHTS).read_bytes()

    def full_disk(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(folder, net, card)
    assert {path.name for path in folder.iterdir()} == {WEIGHTS, CARD}
    assert (folder / WEIGHTS).read_bytes() == before


def test_half_precision_halves_the_file_and_changes_little(folder: Path) -> None:
    net, card = load_checkpoint(folder)
    full = (folder / WEIGHTS).stat().st_size
    save_checkpoint(folder, net, card, torch.float16)
    assert (folder / WEIGHTS).stat().st_size < 0.55 * full
    lightness = torch.rand(1, 1, 32, 32) * 100
    assert (load_checkpoint(folder)[0](lightness).ab - net(lightness).ab).abs().max() < 0.5


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(ArtifactError, match=WEIGHTS):
        load_checkpoint(folder)


def test_truncated_weights_are_named(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(ArtifactError, match=WEIGHTS):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"surprise": 1}, {"size": "large"}, {"architecture": {"encoder": "unet", "wdith": 4}}]
)
def test_a_card_that_is_none_is_named(folder: Path, change: dict[str, object]) -> None:
    card = json.loads((folder / CARD).read_text()) | change
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(ArtifactError, match=CARD):
        load_checkpoint(folder)


def test_weights_of_another_architecture_are_refused(folder: Path) -> None:
    card = json.loads((folder / CARD).read_text())
    card["architecture"]["width"] = 8
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(ArtifactError, match="does not fit the architecture"):
        load_checkpoint(folder)


def test_an_ensemble_comes_back_with_all_its_members(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ensemble = Ensemble([ColorNet(CONFIG), ColorNet(CONFIG)]).eval()
    save_checkpoint(tmp_path, ensemble, ModelCard(architecture=CONFIG, size=64))
    net, card = load_checkpoint(tmp_path)
    lightness = torch.rand(1, 1, 32, 32) * 100
    assert card.members == 2
    assert torch.equal(net(lightness).ab, ensemble(lightness).ab)
    assert not net.training


@pytest.mark.parametrize(("members", "words"), [(2, "does not fit"), (0, "not the card"), (10**9, "not the card")])
def test_members_that_the_weights_have_not_are_an_error(folder: Path, members: int, words: str) -> None:
    content = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(content | {"members": members}))
    with pytest.raises(ArtifactError, match=words):
        load_checkpoint(folder)


def test_a_card_from_before_there_were_ensembles_is_that_of_one_network(folder: Path) -> None:
    content = json.loads((folder / CARD).read_text())
    del content["members"]
    (folder / CARD).write_text(json.dumps(content))
    assert load_checkpoint(folder)[1].members == 1


def test_others_may_read_it_as_far_as_the_umask_lets_them(folder: Path) -> None:
    assert (folder / WEIGHTS).stat().st_mode == (folder / CARD).stat().st_mode


def test_the_graph_of_the_weights_before_does_not_stay(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"of other weights")
    save_checkpoint(folder, *load_checkpoint(folder))
    assert {path.name for path in folder.iterdir()} == {WEIGHTS, CARD}


def test_a_file_in_place_of_the_folder_is_named(folder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"model\.safetensors/model\.json cannot be read"):
        load_checkpoint(folder / WEIGHTS)
