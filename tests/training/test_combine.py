import shutil
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from scenehue.cli import app
from scenehue.errors import ArtifactError
from scenehue.evaluation.decoders import trained
from scenehue.models.checkpoint import ModelCard, load_checkpoint, save_checkpoint
from scenehue.models.network import ColorNet
from scenehue.training.combine import combine
from stages.training import changed, make_inputs

PARAMS = changed()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, sample_folder: Path) -> Path:
    root = make_inputs(tmp_path_factory.mktemp("root"), sample_folder)
    net = ColorNet(PARAMS.train.model)
    for name in ("one", "two"):
        with torch.no_grad():
            net.soft_head.weight.add_(torch.randn_like(net.soft_head.weight))
        card = ModelCard(architecture=PARAMS.train.model, size=32, provenance={"name": name})
        save_checkpoint(root / name, net, card)
    return root


def test_the_mean_has_decoders_of_its_own_and_says_what_it_is_made_of(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    result = CliRunner().invoke(app, ["average", "one", "two", "two", "-o", "mean", "--half"])
    assert result.exit_code == 0, result.output
    assert "mean: the mean of 3 models; reg saturation " in result.output
    one, two, mean = (load_checkpoint(name)[0].soft_head.weight for name in ("one", "two", "mean"))
    torch.testing.assert_close(mean, (one + 2 * two) / 3, rtol=1e-3, atol=1e-3)
    card = load_checkpoint("mean")[1]
    assert set(card.decoders) == {"reg", "vivid"}
    assert [of["name"] for of in card.provenance["average"]] == ["one", "two", "two"]
    assert (root / "mean/model.safetensors").stat().st_size < 0.6 * (root / "one/model.safetensors").stat().st_size


def test_an_ensemble_keeps_all_networks_and_sets_decoders_for_them_together(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    result = CliRunner().invoke(app, ["ensemble", "one", "two", "-o", "both"])
    assert result.exit_code == 0, result.output
    assert "both: 2 networks side by side; reg saturation " in result.output
    net, card = load_checkpoint("both")
    for member, name in zip(net.members, ("one", "two"), strict=True):
        torch.testing.assert_close(member.soft_head.weight, load_checkpoint(name)[0].soft_head.weight)
    assert set(card.decoders) == {"reg", "vivid"}
    assert [of["name"] for of in card.provenance["ensemble"]] == ["one", "two"]


def test_heads_that_one_of_them_was_not_taught_are_left_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    net, card = load_checkpoint("one")
    only_reg = {"params": {"losses": {"reg": 1, "soft": 0, "scene": 0}}}
    save_checkpoint("three", net, card.model_copy(update={"provenance": only_reg}))
    for by, names in (("ensemble", ["one", "three"]), ("average", ["three", "three"])):
        result = CliRunner().invoke(app, [by, *names, "-o", "mixed"])
        assert result.exit_code == 0, result.output
        card = load_checkpoint("mixed")[1]
        assert set(card.decoders) == {"reg"}
        assert [name for name in ("reg", "soft", "scene") if trained(name, card)] == ["reg"]
        shutil.rmtree("mixed")


def test_models_are_named_as_everywhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    result = CliRunner().invoke(app, ["ensemble", "released", "one", "-o", "mixed"])
    assert "one cannot be combined with" in str(result.exception), "the released one was read, and is another network"
    result = CliRunner().invoke(app, ["ensemble", "one", "nowhere", "-o", "mixed"])
    assert "no model 'nowhere'" in str(result.exception)
    assert not Path("mixed").exists()


def test_without_validation_photographs_nothing_is_written(root: Path, tmp_path: Path) -> None:
    (tmp_path / "artifacts/dataset").mkdir(parents=True)
    manifest = pq.read_table(root / "artifacts/dataset/manifest.parquet")
    pq.write_table(manifest.filter(pc.field("split") != "val"), tmp_path / "artifacts/dataset/manifest.parquet")
    with pytest.raises(ArtifactError, match="no validation photographs"):
        combine(PARAMS, "average", [root / "one"], tmp_path / "mean", tmp_path)
    assert not (tmp_path / "mean").exists()
