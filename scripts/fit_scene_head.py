r"""Fits the packaged scene head to another teacher's answers on a folder of photos, and measures it on held-out ones.

    python scripts/fit_scene_head.py --photos PHOTOS --teacher TEACHER.onnx --cache CACHE \
        --out src/scenehue/scenes/packaged

PHOTOS holds tars of photos and an ``index.csv`` with the columns tar, file and scene. The teacher's answers and the
encoder's features of each photo, as it is and mirrored, are kept in CACHE: later runs only fit and measure.
"""

from __future__ import annotations

import argparse
import csv
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from safetensors.torch import save_file
from torch.nn import functional

from scenehue.data.decode import decode_rgb
from scenehue.scenes.labels import NUM_SCENES, scene_classes
from scenehue.scenes.teachers.onnx_file import OnnxTeacher
from scenehue.scenes.teachers.packaged import NUM_FEATURES, PackagedTeacher, SceneFeatures, SceneHead
from scenehue.scenes.views import central_views, squash

BATCH = 32
Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Photo:
    tar: Path
    file: str
    classes: tuple[int, ...]
    """Places365 classes that its index calls right; empty if it has no scene or none that Places365 knows."""

    @property
    def is_held_out(self) -> bool:
        """One in ten, by the hash of its name."""
        return int(sha256(self.file.encode()).hexdigest(), 16) % 10 == 0


def read_index(folder: Path) -> list[Photo]:
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        return [Photo(folder / row["tar"], row["file"], scene_classes(row["scene"])) for row in csv.DictReader(file)]


def batches(photos: list[Photo], what: str) -> Iterator[list[Pixels]]:
    with ExitStack() as stack:
        tars = {path: stack.enter_context(tarfile.open(path)) for path in {photo.tar for photo in photos}}
        for start in track(range(0, len(photos), BATCH), what):
            files = [tars[photo.tar].extractfile(photo.file) for photo in photos[start : start + BATCH]]
            yield [squash(decode_rgb(file.read())) for file in files if file is not None]


def cached(path: Path, photos: list[Photo], answer: Callable[[list[Pixels]], Floats], width: int) -> Floats:
    """Applies `answer` to each photo and its mirror image: (N, 2, width), from the cache if it is there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        result = np.empty((len(photos), 2, width), np.float16)
        for number, squares in enumerate(batches(photos, path.stem)):
            rows = slice(number * BATCH, number * BATCH + len(squares))
            result[rows, 0] = answer(squares)
            result[rows, 1] = answer([square[:, ::-1] for square in squares])
        aside = path.with_suffix(".partial.npy")
        np.save(aside, result)
        aside.replace(path)
    return np.load(path)


def soft_targets(answers: Floats, photos: list[Photo], scene_share: float) -> Floats:
    """The teacher's answers averaged over both views; where the scene is known, partly those among the right ones."""
    targets = answers.astype(np.float32).mean(axis=1)
    for row, photo in zip(targets, photos, strict=True):
        if photo.classes:
            right = np.zeros(NUM_SCENES, np.float32)
            right[list(photo.classes)] = row[list(photo.classes)] + 1e-4
            row *= 1 - scene_share
            row += scene_share * right / right.sum()
    return targets / targets.sum(axis=1, keepdims=True)


def fit(features: Floats, targets: Floats, args: argparse.Namespace) -> SceneHead:
    """Minimises the cross-entropy to the targets over (N, 2, F) features, with AdamW and one cycle of the rate."""
    torch.manual_seed(args.seed)
    head = SceneHead(args.width, dropout=(0.3, 0.2))
    views, answers = torch.from_numpy(features).flatten(0, 1), torch.from_numpy(targets).repeat_interleave(2, dim=0)
    head.mean.copy_(views.float().mean(0))
    head.deviation.copy_(views.float().std(0) + 1e-3)
    optimizer = torch.optim.AdamW(head.parameters(), weight_decay=0.05)
    steps = args.epochs * (len(views) // args.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps, pct_start=0.1)
    head.train()
    for _ in track(range(args.epochs), "fit"):
        order = torch.randperm(len(views))[: len(views) // args.batch_size * args.batch_size]
        for rows in order.split(args.batch_size):
            loss = functional.cross_entropy(head(views[rows].float()), answers[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return head.eval()


def save(head: SceneHead, path: Path) -> None:
    """Weights in half precision; the statistics, which are small, stay in full."""
    whole = ("mean", "deviation")
    state = {key: value if key in whole else value.half() for key, value in head.state_dict().items()}
    aside = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, aside)
    aside.replace(path)


def figures(believed: Floats, taught: Floats, photos: list[Photo]) -> dict[str, float]:
    """Agreement with the teacher over all photos, and accuracy of both where the scene is known."""
    five, teachers_five = (np.argsort(-answers, axis=1)[:, :5] for answers in (believed, taught))
    hits = five == teachers_five[:, :1]
    known = [index for index, photo in enumerate(photos) if photo.classes]
    result = {
        "photos": len(photos),
        "five_hold_teachers_first": hits.any(axis=1).mean(),
        "same_first": hits[:, 0].mean(),
        "photos_of_known_scene": len(known),
    }
    for name, answers in (("head", five), ("teacher", teachers_five)):
        right = np.array([np.isin(answers[index], photos[index].classes) for index in known])
        result[f"{name}_top1"], result[f"{name}_top5"] = right[:, 0].mean(), right.any(axis=1).mean()
    return {key: value if isinstance(value, int) else round(float(value), 4) for key, value in result.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="ONNX file with 365 outputs")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scene-share", type=float, default=0.3, help="weight of a known scene against the teacher")
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    photos = read_index(args.photos)
    held_out = np.array([photo.is_held_out for photo in photos])
    teacher = OnnxTeacher(args.teacher)
    key = sha256((args.photos / "index.csv").read_bytes()).hexdigest()[:8]
    answers = cached(args.cache / f"answers-{key}-{teacher.sha256[:8]}.npy", photos, teacher.probabilities, NUM_SCENES)

    encoder = SceneFeatures()

    @torch.inference_mode()
    def summarise(squares: list[Pixels]) -> Floats:
        with torch.autocast("cpu", torch.bfloat16):
            return encoder(torch.from_numpy(central_views(squares))).numpy()

    features = cached(args.cache / f"features-{key}.npy", photos, summarise, NUM_FEATURES)
    taught = [photo for photo in photos if not photo.is_held_out]
    head = fit(features[~held_out], soft_targets(answers[~held_out], taught, args.scene_share), args)
    save(head, args.out / "head.safetensors")

    unseen = [photo for photo in photos if photo.is_held_out]
    packaged = PackagedTeacher("cpu", args.out / "head.safetensors")
    believed = np.concatenate([packaged.probabilities(squares) for squares in batches(unseen, "measure")])
    result = {"teacher_sha256": teacher.sha256, **figures(believed, answers[held_out, 0], unseen)}
    (args.out / "figures.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
