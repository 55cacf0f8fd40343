"""Stage ``train``: from shards, scene labels and colour prior to a checkpoint."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
from rich.console import Console

from scenehue.data.emphasis import copies
from scenehue.data.files import home_of, replacing_folder
from scenehue.data.loading import ColorDataset, SceneLabels
from scenehue.data.shards import PhotoDataset
from scenehue.errors import ArtifactError, ParamsError
from scenehue.inference.torch_backend import TorchModel
from scenehue.models.checkpoint import CARD, WEIGHTS, ModelCard, load_checkpoint, save_checkpoint
from scenehue.models.ensemble import members_of
from scenehue.models.network import ColorNet
from scenehue.params import ColorPriorParams, Params, TrainParams
from scenehue.tracking.runs import CHECKPOINT_TAG, checkpoint_digest, dataset_record, params_record, start_run
from scenehue.training.batches import steps_per_epoch
from scenehue.training.decoders import set_decoders
from scenehue.training.distillation import Teachers
from scenehue.training.fit import Fitted, fit
from scenehue.training.history import CURVES, write_curves
from scenehue.training.module import ColorModule
from scenehue.training.processes import launch, own_place, started_by_torchrun
from scenehue.training.resume import fingerprint, forget_abandoned

INPUTS = ("dataset/manifest.parquet", "scene_probs/scene_probs.parquet", "color_prior/color_prior.npz")


def run(params: Params, root: Path = Path(".")) -> None:
    """Reads the artifacts of the stages before it; writes the model, metrics and curves to ``artifacts/train``.

    Killed and started again with the same inputs, it goes on from its last validation. With `machine.processes` above
    1 it runs as so many processes; torchrun may start them, too, on several machines that share these folders.

    Raises:
        ArtifactError: An input is missing, or the training's loss is not finite.
        ParamsError: `train.init_from` names a model of another architecture, or a segmentation head is asked for and
            no training photo has a map.
    """
    if params.machine.processes > 1 and not started_by_torchrun():
        launch(params, root)
        return
    artifacts = root / "artifacts"
    photos, validation = (PhotoDataset(artifacts / "dataset", split) for split in ("train", "val"))
    scenes = SceneLabels(artifacts / "scene_probs/scene_probs.parquet")
    if not len(photos):
        raise ArtifactError("artifacts/dataset has no training photos; see its rejects.csv for why")
    size, train = params.train.size, params.train
    maps = train.model.segmentation_stride is not None
    if maps and not any(photos.manifest["has_segmentation"].to_pylist()):
        raise ParamsError(
            "train.model.segmentation_stride asks for a segmentation head, but no training photo has a segmentation "
            "map; set it to null, or name a source with maps in dataset.sources"
        )
    times = copies(photos.manifest["path"].to_pylist(), train.emphasis)
    seen = ColorDataset(photos, scenes, size, train.augment, train.seed, maps=maps, copies=times)
    unseen = ColorDataset(validation, scenes, size, maps=maps)
    pl.seed_everything(train.seed, workers=True, verbose=False)
    net = _start(train, root)
    taught_by = [_folder(name, root) for name in train.distill.teachers]
    module = ColorModule(
        net,
        train,
        params.color_prior,
        *_prior(artifacts, params.color_prior),
        steps_per_epoch=steps_per_epoch(len(seen), train),
        teachers=Teachers(taught_by) if taught_by else None,
    )
    files = [artifacts / name for name in INPUTS]
    files += [_folder(train.init_from, root) / WEIGHTS] if train.init_from else []
    files += [folder / name for folder in taught_by for name in (WEIGHTS, CARD)]
    settings = (train, params.dataset, params.color_prior)
    inputs = fingerprint([section.model_dump_json() for section in settings], files)
    resume = home_of(root) / "resume/train" / inputs
    if own_place().rank == 0 and (gone := forget_abandoned(resume.parent, resume)):
        Console().print(
            f"{len(gone)} trainings that were stopped long ago can no longer go on: removed from resume/train"
        )
    with start_run(params.tracking, root, "train", inputs=inputs, system_metrics=True) as sink:
        sink.log_params(params_record(params))
        sink.log_dataset(dataset_record(artifacts / "dataset"), "training")
        fitted = fit(module, seen, unseen, params.machine, resume, sink)
        if fitted is None:  # the first process does the rest
            return
        card = _describe(module, params, inputs, validation)
        with replacing_folder(artifacts / "train") as folder:
            save_checkpoint(folder, fitted.net, card)
            _write_numbers(folder, fitted)
        sink.set_tags({CHECKPOINT_TAG: checkpoint_digest(artifacts / "train")})
        sink.log_artifacts(artifacts / "train")
    shutil.rmtree(resume)
    Console().print(
        "Best validation: " + ", ".join(f"{name} {value:.4g}" for name, value in fitted.best.items()), highlight=False
    )


def _folder(name: str, root: Path) -> Path:
    """Of a checkpoint as parameters name it."""
    return Path(__file__).parents[1] / "released" if name == "released" else root / name


def _start(params: TrainParams, root: Path) -> ColorNet:
    if not params.init_from:
        return ColorNet(params.model)
    given, card = load_checkpoint(_folder(params.init_from, root))
    for key, value in params.model.model_dump(exclude={"pretrained", "segmentation_stride"}).items():
        if (theirs := getattr(card.architecture, key)) != value:
            raise ParamsError(
                f"train.model.{key} is {value!r}, but the model that train.init_from names has {theirs!r}; "
                "make them equal, or set train.init_from to null"
            )
    # A segmentation head may come or go: without one, colours are predicted all the same.
    net = ColorNet(params.model.model_copy(update={"pretrained": False}))
    # Of an ensemble it is the first member that is trained further.
    net.load_state_dict(members_of(given)[0].state_dict(), strict=False)
    return net.train()


def _describe(module: ColorModule, params: Params, inputs: str, validation: PhotoDataset) -> ModelCard:
    train = params.train
    provenance = {"inputs": inputs, "params": train.model_dump(mode="json")}
    card = ModelCard(architecture=train.model, size=train.size, scales=train.scales, provenance=provenance)
    decoders = set_decoders(
        TorchModel(module.net, card),
        validation,
        reg=train.losses.reg > 0 and train.calibrate_reg,
        vivid=train.losses.soft > 0,
    )
    return card.model_copy(update={"decoders": decoders})


def _prior(artifacts: Path, encoding: ColorPriorParams) -> tuple[np.ndarray, np.ndarray]:
    path = artifacts / "color_prior/color_prior.npz"
    try:
        with np.load(path) as prior:
            counted_with = int(prior["neighbours"]), float(prior["sigma"])
            bins, weights = prior["bins"], prior["weights"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{path} cannot be read; run the stage color_prior first ({error})") from error
    if counted_with != (encoding.neighbours, encoding.sigma):
        raise ArtifactError(f"{path} was counted with another encoding; run the stage color_prior again")
    return bins, weights


def _write_numbers(folder: Path, fitted: Fitted) -> None:
    numbers = {name.replace("/", "_"): value for name, value in fitted.best.items()}
    (folder / "metrics.json").write_text(json.dumps(numbers, indent=1) + "\n")
    write_curves(folder / CURVES, fitted.history)
