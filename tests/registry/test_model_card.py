from pathlib import Path

from registry.workshop import Painter, write_dataset, write_model
from scenehue.data.shards import PhotoDataset
from scenehue.evaluation.evaluate import evaluate_model
from scenehue.inference.model import Decoder
from scenehue.models.checkpoint import save_checkpoint
from scenehue.models.merge import load_ensemble
from scenehue.registry.model_card import write_card


def test_says_what_the_model_is_and_how_good(tmp_path: Path) -> None:
    write_dataset(tmp_path / "artifacts/dataset")
    model = tmp_path / "artifacts/train"
    write_model(model, quality=0.5)
    photos = PhotoDataset(tmp_path / "artifacts/dataset", "test")
    results = evaluate_model(Painter(0.5), photos, [Decoder("reg")], resamples=50)
    card = write_card(tmp_path, results)
    assert "- Network: unet, scene context fused, working size 32." in card
    assert "for 1 epochs" in card
    over_grey = results.means()["reg"]["psnr"] - results.means()["grey"]["psnr"]
    assert f"| {over_grey:.2f} [" in card

    ensemble, (described, _) = load_ensemble([model, model])
    save_checkpoint(model, ensemble, described)
    assert "- 2 networks side by side: unet," in write_card(tmp_path, results)
