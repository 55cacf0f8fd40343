from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from sklearn.metrics import confusion_matrix

from scenehue.data.shards import MANIFEST, ShardWriter
from scenehue.errors import ArtifactError
from scenehue.evaluation.console import print_results
from scenehue.evaluation.results import GREY, Results
from scenehue.inference.model import Decoder
from scenehue.inference.predict import predict
from scenehue.inference.torch_backend import TorchModel
from scenehue.models.checkpoint import ModelCard, load_checkpoint, save_checkpoint
from scenehue.models.network import ColorNet
from scenehue.params import ModelParams, Params
from scenehue.stages import evaluate
from scenehue.tracking.runs import checkpoint_digest
from scenehue.tracking.sink import NullSink

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
NAMES = ["koala.jpg", "taj-mahal.jpg", "scarlet-macaw.jpg"]
IDS = [letter * 32 for letter in "abc"]


def small(name: str) -> bytes:
    file = io.BytesIO()
    with Image.open(SAMPLE / name) as photo:
        photo.thumbnail((150, 150))
        photo.save(file, "PNG")
    return file.getvalue()


def map_file(photo: bytes) -> bytes:
    file = io.BytesIO()
    lightness = np.asarray(Image.open(io.BytesIO(photo)).convert("L"))
    Image.fromarray(np.where(lightness > 100, 105, 0).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def write_dataset(folder: Path, names: list[str], mapped: int = 0) -> None:
    folder.mkdir(parents=True)
    rows = []
    with ShardWriter(folder, "test", 1 << 20) as writer:
        for index, (photo_id, name) in enumerate(zip(IDS, names, strict=False)):
            shard, row = writer.add(photo_id, small(name), map_file(small(name)) if index < mapped else None)
            place = {"shard": shard, "row": row, "has_segmentation": index < mapped}
            rows.append({"id": photo_id, "split": "test", "source": 0, "path": name, **place})
    pa.parquet.write_table(pa.Table.from_pylist(rows, MANIFEST), folder / "manifest.parquet")


def save_net(folder: Path, segmentation_stride: int | None = None, **provenance: object) -> None:
    torch.manual_seed(0)
    architecture = ModelParams(
        encoder="unet", width=4, soft_stride=4, scene_context="auxiliary", segmentation_stride=segmentation_stride
    )
    card = ModelCard(
        architecture=architecture,
        size=64,
        decoders={"vivid": {"temperature": 0.2, "saturation": 1.5}},
        provenance={"params": provenance},
    )
    save_checkpoint(folder, ColorNet(architecture), card)


@pytest.fixture(autouse=True)
def _no_weights_of_this_machine(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))


@pytest.fixture
def root(tmp_path) -> Path:
    artifacts = tmp_path / "artifacts"
    write_dataset(artifacts / "dataset", NAMES)
    save_net(artifacts / "train")
    classes = pa.array([[n, n + 1, n + 2, n + 3, n + 4] for n in range(3)], pa.list_(pa.int16(), 5))
    probabilities = pa.array([[0.4, 0.3, 0.15, 0.1, 0.05]] * 3, pa.list_(pa.float32(), 5))
    (artifacts / "scene_probs").mkdir()
    table = pa.table({"id": IDS, "classes": classes, "probabilities": probabilities})
    pa.parquet.write_table(table, artifacts / "scene_probs" / "scene_probs.parquet")
    return tmp_path


def params(**sections: dict) -> Params:
    chosen = {
        "evaluate": {"bootstrap": 100, "sheet_photos": 2},
        "tracking": {"uri": None},
        "machine": {"device": "cpu"},
    }
    return Params.model_validate(chosen | sections)


def test_the_folder_holds_numbers_tables_report_and_pictures(root, capsys):
    evaluate.run(params(), root)
    folder = root / "artifacts" / "evaluate"
    assert {path.name for path in folder.iterdir()} == {
        "contact_sheet.jpg",
        "intervals.json",
        "metrics.json",
        "photos.csv",
        "photos.parquet",
        "psnr.csv",
        "report.md",
    }
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics) == ["photos", "truth", GREY, "reg", "mode", "mean", "annealed", "vivid", "scene"]
    assert metrics["photos"] == 3
    # An untrained network cannot know, but it says something.
    assert 0 <= metrics["scene"]["top1"] <= metrics["scene"]["top5"] <= 1
    assert len(list(csv.DictReader((folder / "photos.csv").open()))) == 3 * 6
    report = (folder / "report.md").read_text()
    assert "vivid: an annealed mean, temperature 0.2, chroma times 1.5." in report
    assert "LPIPS: not available" in report
    with Image.open(folder / "contact_sheet.jpg") as sheet:
        assert sheet.width > 7 * 200
    capsys.readouterr()
    print_results(folder)
    printed = capsys.readouterr().out
    assert f"{metrics['vivid']['psnr']:.2f}" in printed
    assert str(folder / "contact_sheet.jpg") in printed.replace("\n", "")


def test_every_row_is_what_predict_makes_of_the_photo(root):
    evaluate.run(
        params(evaluate={"decoders": ["vivid", "annealed"], "bootstrap": 100, "size": 96, "temperature": 0.5}), root
    )
    results = Results.load(root / "artifacts" / "evaluate")
    net, card = load_checkpoint(root / "artifacts" / "train")
    truth = np.asarray(Image.open(io.BytesIO(small(NAMES[1]))).convert("RGB"))
    for decoder in (Decoder("vivid", 0.2, 1.5), Decoder("annealed", 0.5)):
        predicted = predict(TorchModel(net, card), truth, 96, decoder)
        error = np.square(truth.astype(float) - predicted).mean()
        assert results.by_photo(decoder.name, "psnr")[IDS[1]] == pytest.approx(10 * np.log10(255**2 / error))


def test_scenes_come_from_the_network_as_it_predicted(root):
    evaluate.run(params(evaluate={"decoders": ["reg"], "bootstrap": 100}), root)
    results = Results.load(root / "artifacts" / "evaluate")
    net, card = load_checkpoint(root / "artifacts" / "train")
    asked = []
    net.scene_head.register_forward_hook(lambda module, inputs, logits: asked.append(logits[0].numpy()))
    for name in NAMES:
        predict(TorchModel(net, card), np.asarray(Image.open(io.BytesIO(small(name))).convert("RGB")))
    expected = [bool(label in np.argsort(-logits)[:5]) for label, logits in enumerate(asked)]
    assert results.of(GREY)["scene_top5"].to_pylist() == expected


def test_the_same_inputs_give_the_same_bytes(root):
    folder = root / "artifacts" / "evaluate"
    evaluate.run(params(), root)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    evaluate.run(params(), root)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_heads_that_were_not_trained_are_left_out_and_named(root):
    save_net(root / "artifacts" / "train", losses={"reg": 10, "soft": 0, "scene": 0})
    evaluate.run(params(), root)
    metrics = json.loads((root / "artifacts" / "evaluate" / "metrics.json").read_text())
    assert list(metrics) == ["photos", "truth", GREY, "reg"]
    report = (root / "artifacts" / "evaluate" / "report.md").read_text()
    assert "- vivid: the model was trained without the soft loss" in report
    assert "- scenes: the model was trained without the scene loss" in report


def test_what_pixels_show_is_measured_where_there_are_maps(root, capsys):
    shutil.rmtree(root / "artifacts" / "dataset")
    write_dataset(root / "artifacts" / "dataset", NAMES, mapped=2)
    save_net(root / "artifacts" / "train", segmentation_stride=4)
    evaluate.run(params(), root)
    folder = root / "artifacts" / "evaluate"
    scores = json.loads((folder / "metrics.json").read_text())["segmentation"]
    net, card = load_checkpoint(root / "artifacts" / "train")
    matrix = np.zeros((182, 182))
    for name in NAMES[:2]:
        photo = np.asarray(Image.open(io.BytesIO(small(name))).convert("RGB"))
        said = []
        handle = net.segmentation_head.register_forward_hook(lambda *arguments, said=said: said.append(arguments[-1]))
        predict(TorchModel(net, card), photo)
        handle.remove()
        (logits,) = said
        enlarged = torch.nn.functional.interpolate(logits, photo.shape[:2], mode="bilinear")[0].argmax(0)
        truth = np.asarray(Image.open(io.BytesIO(map_file(small(name)))))
        matrix += confusion_matrix(truth.ravel(), enlarged.numpy().ravel(), labels=range(182))
    assert scores["pixel_accuracy"] == pytest.approx(np.trace(matrix) / matrix.sum(), abs=2e-3)
    assert "on 2 photographs with a map" in (folder / "report.md").read_text()
    capsys.readouterr()
    print_results(folder)
    assert f"mean IoU {scores['miou']:.3f}" in " ".join(capsys.readouterr().out.split())


def test_a_segmentation_head_without_maps_to_measure_it_is_named(root):
    save_net(root / "artifacts" / "train", segmentation_stride=4)
    evaluate.run(params(), root)
    report = (root / "artifacts" / "evaluate" / "report.md").read_text()
    assert "- segmentation: no test photograph has a segmentation map" in report
    assert "segmentation" not in json.loads((root / "artifacts" / "evaluate" / "metrics.json").read_text())


def test_div2k_is_known_by_the_path_of_its_source(root):
    sources = [{"kind": "folder", "path": "data/DIV2K_valid_HR", "split": "test"}]
    evaluate.run(params(dataset={"sources": sources}), root)
    assert "Larsson et al." in (root / "artifacts" / "evaluate" / "report.md").read_text()
    evaluate.run(params(), root)
    assert "Larsson et al." not in (root / "artifacts" / "evaluate" / "report.md").read_text()


def test_without_test_photos_nothing_is_written_and_the_error_says_what_to_do(root):
    (root / "artifacts" / "dataset" / "manifest.parquet").unlink()
    (root / "artifacts" / "dataset" / "test-00000.arrow").unlink()
    (root / "artifacts" / "dataset").rmdir()
    write_dataset(root / "artifacts" / "dataset", [])
    with pytest.raises(ArtifactError, match=r"dataset\.splits\.test"):
        evaluate.run(params(), root)
    assert not (root / "artifacts" / "evaluate").exists()


@pytest.mark.parametrize("stage", ["dataset", "scene_probs", "train"])
def test_a_missing_input_is_named(root, stage):
    (root / "artifacts" / stage).rename(root / "moved")
    with pytest.raises(ArtifactError, match=stage):
        evaluate.run(params(), root)


class ListeningSink(NullSink):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}
        self.files: dict[str, list[str]] = {}
        self.datasets: list[tuple[str, str]] = []

    def log_metrics(self, metrics, step=0):
        self.metrics |= metrics

    def log_artifacts(self, *paths, folder=""):
        assert all(path.is_file() for path in paths)
        self.files[folder] = [path.name for path in paths]

    def log_dataset(self, dataset, context):
        self.datasets.append((dataset.name, context))


def test_the_results_join_the_run_of_the_training(root, monkeypatch):
    sink, asked = ListeningSink(), {}

    @contextlib.contextmanager
    def start_run(tracking, where, stage, **options):
        asked.update(options, stage=stage, root=where)
        yield sink

    monkeypatch.setattr(evaluate, "start_run", start_run)
    evaluate.run(params(), root)
    assert asked == {"checkpoint": checkpoint_digest(root / "artifacts" / "train"), "stage": "evaluate", "root": root}
    metrics = json.loads((root / "artifacts" / "evaluate" / "metrics.json").read_text())
    assert sink.metrics["evaluate/vivid/psnr"] == metrics["vivid"]["psnr"]
    assert sink.metrics["evaluate/photos"] == 3
    assert {"report.md", "contact_sheet.jpg", "photos.parquet"} <= set(sink.files["evaluate"])
    assert sink.datasets == [("photographs", "evaluation")]
