"""Real trainings of a tiny network on a dozen photographs, killed and resumed."""

import contextlib
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file

from scenehue.color.bins import AB_SCALE
from scenehue.data.shards import MANIFEST, PhotoDataset, ShardWriter
from scenehue.errors import ArtifactError, ParamsError
from scenehue.models.checkpoint import load_checkpoint, save_checkpoint
from scenehue.models.ensemble import Ensemble
from scenehue.models.network import ColorNet
from scenehue.params import ModelParams, Params
from scenehue.stages import dataset, train
from scenehue.tracking.sink import NullSink
from scenehue.training import module
from stages.training import CONFIG, EPOCHS, changed, curves, make_inputs

SEGMENTING = {"encoder": "unet", "width": 4, "soft_stride": 4, "segmentation_stride": 2}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, sample_folder: Path) -> Path:
    return make_inputs(tmp_path_factory.mktemp("inputs"), sample_folder)


@pytest.fixture
def root(inputs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(inputs, tmp_path / "root"))


def map_of(photo: bytes) -> bytes:
    """A map that lightness tells: one class where a photo is dark, another one where it is light, neither between."""
    lightness = np.asarray(Image.open(io.BytesIO(photo)).convert("L"))
    classes = np.where(lightness > 140, 181, np.where(lightness < 110, 3, 255)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(classes).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def mapped(root: Path) -> Path:
    """The same inputs, with maps of all photos but two of those for training."""
    folder = root / "artifacts/dataset"
    photos = PhotoDataset(folder)
    bare = PhotoDataset(folder, "train").ids[:2]
    rows = [
        row | {"photo": photos.encoded(index), "has_segmentation": row["id"] not in bare}
        for index, row in enumerate(photos.manifest.to_pylist())
    ]
    for split in ("train", "val"):
        with ShardWriter(folder, split, 1 << 20) as writer:
            for row in rows:
                if row["split"] == split:
                    png = map_of(row["photo"]) if row["has_segmentation"] else None
                    row["shard"], row["row"] = writer.add(row["id"], row["photo"], png)
    pq.write_table(pa.Table.from_pylist(rows, MANIFEST), folder / "manifest.parquet")
    return root


@pytest.fixture(scope="module")
def undisturbed(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same training, never interrupted."""
    root = Path(shutil.copytree(inputs, tmp_path_factory.mktemp("undisturbed") / "root"))
    train.run(Params.model_validate(CONFIG), root)
    return root / "artifacts/train"


def test_learns_and_leaves_a_model_with_its_numbers(undisturbed: Path) -> None:
    rows = curves(undisturbed)
    assert [int(float(row["epoch"])) for row in rows] == list(range(1, EPOCHS + 1))
    assert float(rows[-1]["train_loss"]) < 0.8 * float(rows[0]["train_loss"])
    best = json.loads((undisturbed / "metrics.json").read_text())
    assert best["val_psnr_reg"] == pytest.approx(max(float(row["val_psnr_reg"]) for row in rows))
    net, card = load_checkpoint(undisturbed)
    assert (net.config.width, card.size) == (4, 32)
    assert 0 < card.decoders["vivid"]["saturation"] <= 4
    assert not (undisturbed.parents[1] / "resume/train").exists() or not any(
        (undisturbed.parents[1] / "resume/train").iterdir()
    )


def test_each_validation_leaves_a_sheet_in_the_run(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Sink(NullSink):
        def log_artifacts(self, *paths: Path, folder: str = "") -> None:
            for path in paths:
                if folder == "validation":
                    shutil.copy(path, tmp_path)

    monkeypatch.setattr(train, "start_run", lambda *_, **__: contextlib.nullcontext(Sink()))
    train.run(changed(epochs=2), root)
    for epoch in ("0001", "0002"):
        with Image.open(tmp_path / f"{epoch}.jpg") as sheet:
            assert sheet.width == 4 * 32, "truth, grey, reg, mean"
            truth, grey = (np.asarray(sheet)[:, place : place + 32].astype(int) for place in (0, 32))
        assert np.ptp(grey, axis=2).mean() < 3 < np.ptp(truth, axis=2).mean()


def test_killed_and_started_again_it_gives_the_same_weights(root: Path, undisturbed: Path) -> None:
    command = [sys.executable, "-m", "scenehue", "train"]
    process = subprocess.Popen(command, cwd=root, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not list(root.glob("resume/train/*/last.ckpt")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (root / "artifacts/train").exists()
    (watched,) = root.glob("resume/train/*")
    assert curves(watched)[0].keys() == curves(undisturbed)[0].keys(), "whoever watches a training sees its numbers"
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
    assert curves(root / "artifacts/train")[0] == curves(undisturbed)[0], "the first epoch is the killed process's"
    assert len(curves(root / "artifacts/train")) == EPOCHS
    resumed, straight = (load_file(folder / "model.safetensors") for folder in (root / "artifacts/train", undisturbed))
    for name, weights in straight.items():
        torch.testing.assert_close(resumed[name], weights, atol=1e-5, rtol=1e-4, msg=name)


def test_goes_on_from_a_checkpoint_only_if_nothing_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(Exception):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    monkeypatch.setattr(train, "_describe", stop)
    with pytest.raises(Stopped):
        train.run(changed(epochs=1), root)
    monkeypatch.undo()
    (kept,) = (root / "resume/train").iterdir()
    train.run(changed(epochs=1, seed=1), root)
    assert kept.exists(), "another training's state is left alone"
    train.run(changed(epochs=1), root)
    assert not kept.exists()


def test_the_last_validation_is_kept_even_if_an_earlier_one_was_better(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling = itertools.count(0, -1)
    monkeypatch.setattr(module, "psnr", lambda *_: np.array([next(falling)]))
    monkeypatch.setattr(train, "_describe", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train.run(changed(epochs=4), root)
    (kept,) = (root / "resume/train").iterdir()
    epochs = {name: torch.load(kept / f"{name}.ckpt", weights_only=True)["epoch"] for name in ("best", "last")}
    assert epochs == {"best": 0, "last": 3}


def test_without_validation_photos_the_last_weights_are_kept(root: Path) -> None:
    params = Params.model_validate(
        CONFIG
        | {
            "dataset": CONFIG["dataset"] | {"splits": {"val": 0, "test": 0.25}},
            "train": CONFIG["train"] | {"epochs": 2},
        }
    )
    dataset.run(params, root)
    train.run(params, root)
    assert len(curves(root / "artifacts/train")) == 2
    assert "vivid" not in load_checkpoint(root / "artifacts/train")[1].decoders


@pytest.mark.parametrize(
    "change",
    [
        {"losses": {"reg": 0}},
        {"losses": {"soft": 0}},
        {"losses": {"scene": 0}, "model": CONFIG["train"]["model"] | {"scene_context": "none"}},
        {"accumulate": 2, "ema_decay": 0, "schedule": {"name": "step"}},
        {"precision": "bf16", "model": {"pretrained": False, "decoder_channels": [8, 8, 8]}},
    ],
)
def test_every_way_of_training(root: Path, change: dict[str, object]) -> None:
    train.run(changed(epochs=1, **change), root)
    assert (root / "artifacts/train/model.safetensors").exists()


def test_starts_from_another_model(root: Path, undisturbed: Path) -> None:
    shutil.copytree(undisturbed, root / "before")
    train.run(changed(epochs=1, init_from="before", learning_rate=1e-9, ema_decay=0), root)
    before, after = (load_file(folder / "model.safetensors") for folder in (undisturbed, root / "artifacts/train"))
    torch.testing.assert_close(after["reg_head.weight"], before["reg_head.weight"])


def test_of_an_ensemble_the_first_member_is_trained_further(root: Path, undisturbed: Path) -> None:
    net, card = load_checkpoint(undisturbed)
    other = ColorNet(net.config)
    save_checkpoint(root / "before", Ensemble([net, other]), card)
    train.run(changed(epochs=1, init_from="before", learning_rate=1e-9, ema_decay=0), root)
    after, card = load_checkpoint(root / "artifacts/train")
    assert card.members == 1
    torch.testing.assert_close(after.reg_head.weight, net.reg_head.weight)
    assert not torch.allclose(after.reg_head.weight, other.reg_head.weight, atol=1e-3)


@pytest.mark.parametrize("share", [0, 1])
def test_learns_what_teachers_say_as_far_as_its_share_goes(root: Path, undisturbed: Path, share: int) -> None:
    teacher, card = load_checkpoint(undisturbed)
    torch.nn.init.zeros_(teacher.reg_head.weight)
    teacher.reg_head.bias.data = torch.atanh(torch.tensor([60.0, -60.0]) / AB_SCALE)  # of everything
    save_checkpoint(root / "teacher", teacher, card)
    losses, distill = {"reg": 1, "soft": 0, "scene": 0}, {"teachers": ["teacher"], "share": share}
    train.run(changed(epochs=4, losses=losses, distill=distill, calibrate_reg=False), root)
    last = curves(root / "artifacts/train")[-1]
    assert float(last["train_taught"]) < 0.35 if share else float(last["train_taught"]) > 0.45
    assert float(last["train_loss"]) == pytest.approx(float(last["train_taught" if share else "train_reg"]))


def test_teachers_need_the_regression_loss_and_must_be_there(root: Path) -> None:
    with pytest.raises(ValidationError, match=r"distill\.teachers teach the regression head, but losses\.reg is 0"):
        changed(losses={"reg": 0}, distill={"teachers": ["released"]})
    with pytest.raises(ArtifactError, match="nowhere"):
        train.run(changed(distill={"teachers": ["nowhere"]}), root)


def test_a_model_of_another_architecture_cannot_be_started_from(root: Path, undisturbed: Path) -> None:
    shutil.copytree(undisturbed, root / "before")
    with pytest.raises(ParamsError, match=r"train\.model\.width"):
        train.run(changed(init_from="before", model=CONFIG["train"]["model"] | {"width": 8}), root)


def test_starts_from_a_model_without_the_segmentation_head(mapped: Path, undisturbed: Path) -> None:
    shutil.copytree(undisturbed, mapped / "before")
    train.run(changed(epochs=1, init_from="before", learning_rate=1e-9, ema_decay=0, model=SEGMENTING), mapped)
    before, after = (load_file(folder / "model.safetensors") for folder in (undisturbed, mapped / "artifacts/train"))
    torch.testing.assert_close(after["reg_head.weight"], before["reg_head.weight"])
    assert after.keys() - before.keys() == {"segmentation_head.weight", "segmentation_head.bias"}


def test_a_segmentation_head_without_a_map_is_refused(root: Path) -> None:
    with pytest.raises(ParamsError, match=r"train\.model\.segmentation_stride.*no training photo has"):
        train.run(changed(model=SEGMENTING), root)


def test_learns_what_pixels_show_from_the_photos_with_maps(mapped: Path, undisturbed: Path) -> None:
    losses = {"reg": 1, "soft": 0, "scene": 0, "segmentation": 1}
    train.run(changed(epochs=24, validate_every=8, model=SEGMENTING, losses=losses, learning_rate=0.02), mapped)
    rows = curves(mapped / "artifacts/train")
    assert [float(row["epoch"]) for row in rows] == [8, 16, 24]
    assert float(rows[-1]["val_pixel_accuracy"]) > 0.9, "dark or light is what the maps say"
    assert float(rows[-1]["val_miou"]) > 0.75
    assert float(rows[-1]["val_segmentation"]) < 0.5 * float(rows[0]["train_segmentation"])
    assert "val_miou" not in curves(undisturbed)[0]
    net, card = load_checkpoint(mapped / "artifacts/train")
    assert card.architecture.segmentation_stride == 2
    assert net.segmentation_head is not None


def test_a_loss_that_is_not_finite_is_an_error(root: Path) -> None:
    with pytest.raises(ArtifactError, match="not finite"):
        train.run(changed(epochs=1, learning_rate=1.0, gradient_clip=0, losses={"reg": 1e39}), root)
    assert not (root / "artifacts/train").exists()


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:100])])
@pytest.mark.parametrize("name", train.INPUTS)
def test_a_missing_or_damaged_input_is_named(root: Path, name: str, damage: Callable[[Path], object]) -> None:
    damage(root / "artifacts" / name)
    with pytest.raises(ArtifactError, match=name):
        train.run(Params.model_validate(CONFIG), root)


def test_a_prior_counted_with_another_encoding_is_refused(root: Path) -> None:
    with pytest.raises(ArtifactError, match="another encoding"):
        train.run(Params.model_validate(CONFIG | {"color_prior": {"sigma": 4}}), root)


def test_a_killed_training_keeps_its_best_weights(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([1.0, 3.0, 2.0, 0.5])
    current: list[float] = []

    def score(*_: object) -> np.ndarray:
        return np.array([current[-1]])

    def begin(self: module.ColorModule) -> None:
        current.append(next(scores))

    class Killed(BaseException):
        pass

    def kill(self: module.ColorModule) -> None:
        if self.trainer.current_epoch == 2:
            raise Killed

    monkeypatch.setattr(module, "psnr", score)
    monkeypatch.setattr(module.ColorModule, "on_validation_epoch_start", begin)
    monkeypatch.setattr(module.ColorModule, "on_train_epoch_start", kill)
    with pytest.raises(Killed):
        train.run(changed(epochs=4), root)
    (kept,) = (root / "resume/train").iterdir()
    best = load_file_of(kept / "best.ckpt")
    monkeypatch.setattr(module.ColorModule, "on_train_epoch_start", lambda _: None)
    train.run(changed(epochs=4), root)
    assert json.loads((root / "artifacts/train/metrics.json").read_text())["epoch"] == 2
    weights = load_file(root / "artifacts/train/model.safetensors")["reg_head.weight"]
    torch.testing.assert_close(weights, best["net.reg_head.weight"])


def load_file_of(checkpoint: Path) -> dict[str, torch.Tensor]:
    return dict(torch.load(checkpoint, weights_only=True)["state_dict"])


def test_ctrl_c_is_an_interruption(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.ColorModule, "on_validation_epoch_start", lambda _: os.kill(os.getpid(), signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
    try:
        with pytest.raises(KeyboardInterrupt):
            train.run(changed(epochs=3), root)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (root / "artifacts/train").exists()


def test_a_queued_experiment_goes_on_where_its_deleted_copy_was(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (root / f".dvc/tmp/exps/{name}" for name in ("copy1", "copy2"))
    for copy in (first, second):
        shutil.copytree(root / "artifacts", copy / "artifacts")
    with monkeypatch.context() as patch:
        patch.setattr(train, "_describe", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train.run(changed(epochs=2), first)
    shutil.rmtree(first)
    monkeypatch.setattr(module.ColorModule, "training_step", lambda *_: 1 / 0)
    train.run(changed(epochs=2), second)
    assert len(curves(second / "artifacts/train")) == 2


def test_emphasis_makes_an_epoch_longer(root: Path) -> None:
    plain, emphasised = changed(epochs=1, batch_size=1), changed(epochs=1, batch_size=1, emphasis={"a*": 3})
    photos = PhotoDataset(root / "artifacts/dataset", "train").manifest["path"].to_pylist()
    steps = []
    for params in (plain, emphasised):
        train.run(params, root)
        steps.append(int(curves(root / "artifacts/train")[-1]["step"]))
    assert steps == [len(photos), len(photos) + 2 * sum(path.startswith("a") for path in photos)]


def test_a_frozen_encoder_stays_as_it_was(root: Path) -> None:
    frozen = {"encoder": "resnet10t", "pretrained": False, "decoder_channels": [8, 8, 8]}
    train.run(changed(epochs=1, encoder_rate=0, model=frozen), root)
    after = load_file(root / "artifacts/train/model.safetensors")
    pl.seed_everything(0, verbose=False)
    before = ColorNet(ModelParams.model_validate(frozen)).state_dict()
    assert torch.equal(after["encoder.body.conv1.0.weight"], before["encoder.body.conv1.0.weight"])
    assert not torch.equal(after["reg_head.weight"], before["reg_head.weight"])
