"""The card of a trained model in words: what it is, what it has seen, how good it is."""

from __future__ import annotations

from pathlib import Path

from scenehue.evaluation.results import GREY, Results
from scenehue.models.checkpoint import CARD, ModelCard
from scenehue.tracking.code import code_state
from scenehue.tracking.runs import dataset_record


def write_card(root: Path, results: Results) -> str:
    """Describes the model in ``artifacts/train``.

    Args:
        root: The repository.
        results: Of its evaluation.

    Returns:
        Markdown.
    """
    card = ModelCard.model_validate_json((root / "artifacts/train" / CARD).read_bytes())
    photos = dataset_record(root / "artifacts/dataset").profile
    state = code_state(root)
    epochs = card.provenance.get("params", {}).get("epochs")
    network = card.architecture
    lines = [
        f"- Network: {network.encoder}, scene context {network.scene_context}, working size {card.size}.",
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
