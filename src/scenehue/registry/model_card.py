"""The card of a trained model in words: what it is, what it has seen, how good it is."""

from __future__ import annotations

import json
from pathlib import Path

from scenehue.errors import ArtifactError
from scenehue.evaluation.results import GREY, Results
from scenehue.inference.card import CARD
from scenehue.tracking.code import code_state
from scenehue.tracking.runs import dataset_record


def write_card(root: Path, results: Results) -> str:
    """Describes the model in ``artifacts/train``.

    Args:
        root: The repository.
        results: Of its evaluation.

    Returns:
        Markdown.

    Raises:
        ArtifactError: ``model.json`` is missing or damaged.
    """
    path = root / "artifacts/train" / CARD
    try:
        card = json.loads(path.read_bytes())
        network, size, members = card["architecture"], card["size"], card.get("members", 1)
        epochs = card.get("provenance", {}).get("params", {}).get("epochs")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ArtifactError(f"{path} is not the card of a model ({error!r}); run the stage train") from error
    what = "Network" if members == 1 else f"{members} networks side by side"
    photos = dataset_record(root / "artifacts/dataset").profile
    state = code_state(root)
    lines = [
        f"- {what}: {network.get('encoder')}, scene context {network.get('scene_context')}, working size {size}.",
        f"- Trained on {photos['train']} photographs"
        + (f" for {epochs} epochs" if epochs else "")
        + f", chosen on {photos['val']}, tested on {photos['test']} others.",
        f"- Code: commit {state.commit[:12]}{' with changes' if state.changed else ''}."
        if state
        else "- Code: unknown.",
    ]
    rows = ["| decoder | PSNR, dB | above grey, dB | SSIM | colourfulness |", "|---|---|---|---|---|"]
    means = results.means()
    for decoder in results.decoders:
        values = means[decoder]
        gain = ""
        if decoder != GREY:
            over = results.over_grey(decoder)
            gain = f"{over.mean:.2f} [{over.low:.2f}, {over.high:.2f}]"
        rows.append(
            f"| {decoder} | {values['psnr']:.2f} | {gain} | {values['ssim']:.3f} | {values['colorfulness']:.1f} |"
        )
    colorfulness = means["truth"]["colorfulness"]
    truth = f"Means over {means['photos']} test photographs, whose own colourfulness is {colorfulness:.1f}."
    return "\n".join([*lines, "", truth, "", *rows]) + "\n"
