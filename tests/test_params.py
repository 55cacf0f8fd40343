import runpy
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from scenehue.errors import ParamsError
from scenehue.params import Params, load_params

ROOT = Path(__file__).parents[1]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return path


def test_the_projects_file_is_valid_and_spells_out_every_key() -> None:
    # A key left to its default would let a change of the default go unnoticed by DVC.
    path = ROOT / "params.yaml"
    assert load_params(path).model_dump(mode="json") == yaml.safe_load(path.read_text())


@pytest.mark.parametrize("plan", sorted((ROOT / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_experiments_that_ship_change_keys_that_exist(plan: Path) -> None:
    combinations = runpy.run_path(str(ROOT / "scripts/experiments.py"))["combinations"]
    names = []
    for name, changes in combinations(yaml.safe_load(plan.read_text())):
        names.append(name)
        tree = yaml.safe_load((ROOT / "params.yaml").read_text())
        for key, value in changes.items():
            *sections, last = key.split(".")
            section = tree
            for part in sections:
                section = section[part]
            assert last in section, key
            section[last] = value
        Params.model_validate(tree)
    assert len(names) == len(set(names)) > 0


def test_the_reference_says_what_the_code_says() -> None:
    reference = runpy.run_path(str(ROOT / "scripts/params_reference.py"))["reference"]
    assert (ROOT / "docs/params.md").read_text() == reference(), "run scripts/params_reference.py > docs/params.md"


def test_sections_left_out_have_their_defaults(tmp_path: Path) -> None:
    assert load_params(written(tmp_path, "")) == Params()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("train: {epochz: 3}", "train.epochz"),
        ("train: {epochs: 0}", "train.epochs"),
        ("train: {size: 100}", "train.size"),
        ("train: {model: {soft_stride: 3}}", "train.model.soft_stride"),
        ("train: {losses: {reg: -1}}", "train.losses.reg"),
        ("train: {augment: {hue: 0.1}}", "train.augment.hue"),
        ("dataset: {splits: {test: 1.5}}", "dataset.splits.test"),
        ("dataset: {duplicate_bits: 9}", "dataset.duplicate_bits"),
        ("dataset: {sources: []}", "dataset.sources"),
        ("dataset: {sources: [{kind: folder, path: a}, {kind: ftp}]}", "dataset.sources.1.kind"),
        ("dataset: {sources: [{path: a}]}", "dataset.sources.0.kind"),
        ("dataset: {sources: [{kind: folder, paht: a}]}", "dataset.sources.0.paht"),
        ("dataset: {sources: [{kind: div2k, size: x3}]}", "dataset.sources.0.size"),
        ("dataset: {sources: [{kind: s3, address: 'https://example.org/x'}]}", "dataset.sources.0.address"),
        ("dataset: {sources: [{kind: s3, address: 's3://me:secret@x/y'}]}", "dataset.sources.0.address"),
        ("dataset: {sources: [{kind: coco-stuff, val: {address: 'file:///x'}}]}", "dataset.sources.0.val.address"),
        (
            "dataset: {sources: [{kind: coco-stuff, val: {address: 's3://b/x', checksum: 'sha1:1'}}]}",
            "dataset.sources.0.val.checksum",
        ),
        ("evaluate: {decoders: [median]}", "evaluate.decoders.0"),
        ("machine: {device: gpu}", "machine.device"),
        ("scene_prob: {}", "scene_prob"),
    ],
)
def test_an_unknown_or_impossible_key_is_named_with_its_path(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load_params(written(tmp_path, text))
    assert f"  {key}: " in str(caught.value)
    assert "params.yaml" in str(caught.value)


def test_all_wrong_keys_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"(?s)train\.epochs: .*train\.wings: "):
        load_params(written(tmp_path, "train: {epochs: many, wings: 2}"))


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("dataset: {splits: {val: 0.5, test: 0.5}}", "leave nothing for training"),
        ("train: {losses: {reg: 0, soft: 0}}", "no colour would be learnt"),
        ("scene_probs: {teacher: onnx}", "`weights` names the file"),
        ("scene_probs: {teacher: places365, weights: 'https://example.org/x.pth'}", "`sha256` is needed"),
        ("scene_probs: {teacher: onnx, weights: 'http://example.org/x.onnx'}", "a path or an https address"),
        ("tracking: {uri: 'https://me:secret@example.org'}", "no user or password"),
    ],
)
def test_keys_that_contradict_each_other_are_explained(tmp_path: Path, text: str, advice: str) -> None:
    with pytest.raises(ParamsError, match=advice):
        load_params(written(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "tracking: {uri: 'https://me:secret@example.org'}",
        "dataset: {sources: [{kind: s3, address: 's3://me:secret@bucket/photos'}]}",
        "dataset: {sources: [{kind: div2k, full: {address: 'https://me:secret@example.org/x.zip'}}]}",
    ],
)
def test_a_password_in_the_address_is_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load_params(written(tmp_path, text))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["train: [", "- a\n- b\n", "\x00", "train: 3"])
def test_a_file_that_is_no_mapping_is_an_error_with_its_name(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ParamsError, match=str(path)):
        load_params(path)


def test_a_missing_file_says_where_to_run_the_command(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="repository's root"):
        load_params(tmp_path / "params.yaml")


def test_params_do_not_change_once_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Params().train.epochs = 3  # type: ignore[misc]
