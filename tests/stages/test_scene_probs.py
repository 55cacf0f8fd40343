import csv
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from scenehue.data.shards import MANIFEST, PhotoDataset, ShardWriter
from scenehue.errors import ArtifactError
from scenehue.params import Params
from scenehue.scenes.labels import NAMES
from scenehue.scenes.soft_labels import soft_labels
from scenehue.scenes.teachers.onnx_file import OnnxTeacher
from scenehue.stages import scene_probs
from scenehue.stages.scene_probs import run
from scenes.tiny_teacher import write_teacher

SPLITS = ["train"] * 5 + ["val", "test"]


@pytest.fixture
def params(tmp_path):
    """A tiny teacher, and seven photos of plain colours, sizes and splits."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "artifacts" / "dataset"
    folder.mkdir(parents=True)
    rows = []
    for number, split in enumerate(SPLITS):
        width, height = map(int, rng.integers(40, 400, 2))
        buffer = io.BytesIO()
        Image.new("RGB", (width, height), tuple(map(int, rng.integers(0, 256, 3)))).save(buffer, "PNG")
        with ShardWriter(folder, f"{split}{number}", 1) as writer:
            shard, row = writer.add(f"{number:032x}", buffer.getvalue())
        place = {
            "id": f"{number:032x}",
            "split": split,
            "source": 0,
            "path": f"{number}.png",
            "shard": shard,
            "row": row,
        }
        sizes = {"width": width, "height": height, "original_width": width, "original_height": height}
        rows.append({**place, **sizes, "mean_chroma": 20.0, "has_segmentation": False})
    pq.write_table(pa.Table.from_pylist(rows, MANIFEST), folder / "manifest.parquet")
    graph = write_teacher(tmp_path / "teacher.onnx")
    teacher = {"teacher": "onnx", "weights": str(graph), "batch_size": 3}
    return Params.model_validate({"scene_probs": teacher, "machine": {"workers": 2}})


def test_each_photo_has_its_label(params, tmp_path):
    run(params, tmp_path)
    table = pq.read_table(tmp_path / "artifacts/scene_probs/scene_probs.parquet")
    assert table.schema.remove_metadata() == pa.schema(
        {"id": pa.string(), "classes": pa.list_(pa.int16(), 5), "probabilities": pa.list_(pa.float32(), 5)}
    )
    teacher = OnnxTeacher(tmp_path / "teacher.onnx")
    assert table.schema.metadata == {b"teacher": b"onnx teacher.onnx", b"teacher_sha256": teacher.sha256.encode()}
    dataset = PhotoDataset(tmp_path / "artifacts/dataset")
    assert table["id"].to_pylist() == dataset.ids
    photos = [np.asarray(Image.open(io.BytesIO(dataset.encoded(index)))) for index in range(len(dataset))]
    classes, probabilities = soft_labels(teacher.probabilities(photos))
    assert table["classes"].to_pylist() == classes.tolist()
    assert len(np.unique(classes[:, 0])) > 1
    assert np.allclose(table["probabilities"].to_pylist(), probabilities, atol=1e-5)

    with (tmp_path / "artifacts/scene_probs/scenes.csv").open(newline="") as file:
        summary = list(csv.DictReader(file))
    for row in summary:
        first = [split for split, (scene, *_) in zip(SPLITS, classes, strict=True) if NAMES[scene] == row["scene"]]
        assert {key: int(row[key]) for key in ("train", "val", "test")} == {
            split: first.count(split) for split in ("train", "val", "test")
        }
    assert sum(int(row["photos"]) for row in summary) == len(SPLITS)


def test_the_same_photos_give_the_same_bytes(params, tmp_path):
    outputs = []
    for _ in range(2):
        run(params, tmp_path)
        folder = tmp_path / "artifacts/scene_probs"
        outputs.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert outputs[0] == outputs[1]
    assert sorted(outputs[0]) == ["scene_probs.parquet", "scenes.csv"]


def test_a_run_that_ends_midway_leaves_the_old_folder_and_nothing_else(params, tmp_path, monkeypatch):
    run(params, tmp_path)
    folder = tmp_path / "artifacts/scene_probs"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(scene_probs, "_write_summary", interrupted)
    monkeypatch.setattr(scene_probs, "soft_labels", lambda rows: [column[::-1] for column in soft_labels(rows)])
    with pytest.raises(KeyboardInterrupt):
        run(params, tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(path.name for path in folder.parent.iterdir()) == ["dataset", "scene_probs"]


def test_no_data_set(params, tmp_path):
    (tmp_path / "artifacts/dataset/manifest.parquet").unlink()
    with pytest.raises(ArtifactError, match=r"manifest\.parquet"):
        run(params, tmp_path)
