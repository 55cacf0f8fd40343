"""Stage ``evaluate``: the trained network on the test photographs, beside leaving them grey."""

from __future__ import annotations

from pathlib import Path

from scenehue.data.files import replacing_folder
from scenehue.data.shards import PhotoDataset
from scenehue.evaluation.contact_sheet import draw_contact_sheet, save_contact_sheet
from scenehue.evaluation.decoders import choose_decoders, trained
from scenehue.evaluation.evaluate import evaluate_model
from scenehue.evaluation.listener import OutputListener
from scenehue.evaluation.lpips import load_lpips
from scenehue.evaluation.published import is_div2k
from scenehue.evaluation.report import write_report
from scenehue.evaluation.scenes import teacher_classes
from scenehue.inference.torch_backend import TorchModel
from scenehue.models.checkpoint import load_checkpoint
from scenehue.models.device import choose_device
from scenehue.params import Params
from scenehue.tracking.runs import checkpoint_digest, dataset_record, start_run
from scenehue.tracking.store import flatten

SHEET = "contact_sheet.jpg"


def run(params: Params, root: Path = Path(".")) -> None:
    """Reads the model, the test photographs and the scene labels; writes ``artifacts/evaluate``.

    The folder holds ``metrics.json`` (means), ``intervals.json``, ``photos.parquet`` and ``photos.csv`` (a row for each
    photograph and decoder), ``psnr.csv`` (for plots), ``report.md`` and the contact sheet; ``segmentation.parquet``
    (counted pixels) where the model has a segmentation head.

    Raises:
        ArtifactError: An input is missing or corrupt, or there are no test photographs.
    """
    wanted, artifacts = params.evaluate, root / "artifacts"
    photos = PhotoDataset(artifacts / "dataset", "test")
    net, card = load_checkpoint(artifacts / "train")
    digest = checkpoint_digest(artifacts / "train")
    model = TorchModel(net, card, choose_device(params.machine.device))
    decoders, missing = choose_decoders(wanted, card)
    lpips, lpips_name = load_lpips()
    if lpips is None:
        missing["LPIPS"] = lpips_name
    scenes = classes = None
    if net.config.scene_context == "none":
        missing["scenes"] = "the model has no scene head"
    elif not trained("scene", card):
        missing["scenes"] = "the model was trained without the scene loss"
    else:
        scenes = OutputListener(net, "scene_logits")
    if net.config.segmentation_stride is not None:
        if not trained("segmentation", card):
            missing["segmentation"] = "the model was trained without the segmentation loss"
        else:
            classes = OutputListener(net, "class_logits")
            if not any(photos.manifest["has_segmentation"].to_pylist()):
                missing["segmentation"] = "no test photograph has a segmentation map"
    with start_run(params.tracking, root, "evaluate", checkpoint=digest) as sink:
        results = evaluate_model(
            model,
            photos,
            decoders,
            size=wanted.size,
            scene_logits=scenes,
            class_logits=classes,
            teacher=teacher_classes(artifacts / "scene_probs" / "scene_probs.parquet"),
            lpips=lpips,
            resamples=wanted.bootstrap,
            seed=wanted.seed,
            about={"checkpoint": digest, "missing": missing},
        )
        sheet = draw_contact_sheet(
            model,
            photos,
            decoders,
            results,
            size=wanted.size,
            num_photos=wanted.sheet_photos,
            class_logits=classes,
        )
        with replacing_folder(artifacts / "evaluate") as folder:
            results.save(folder)
            save_contact_sheet(sheet, folder / SHEET)
            (folder / "report.md").write_text(
                write_report(results, SHEET, is_div2k(_origins(photos, params))), encoding="utf-8"
            )
        sink.log_metrics(
            {name.replace(".", "/"): value for name, value in flatten({"evaluate": results.means()}).items()}
        )
        sink.log_dataset(dataset_record(artifacts / "dataset"), "evaluation")
        sink.log_artifacts(*sorted((artifacts / "evaluate").iterdir()), folder="evaluate")


def _origins(photos: PhotoDataset, params: Params) -> list[str]:
    """Each photograph's path with that of its source before it, which may be what names a public data set."""
    sources = dict(enumerate(source.path for source in params.dataset.sources))
    rows = zip(photos.manifest["source"].to_pylist(), photos.manifest["path"].to_pylist(), strict=True)
    return [f"{sources.get(source, '')}/{path}" for source, path in rows]
