"""The pages that runs show, made from what stages leave."""

import base64
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from flows import pages
from registry.workshop import Repository
from scenehue.evaluation.results import Results


def test_the_labels_page_counts_what_is_new_gone_and_rejected(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository", "sqlite:///mlflow.db")
    artifacts = repository.root / "artifacts"
    (artifacts / "dataset/rejects.csv").write_text(
        "file,reason\na.jpg,grey (mean chroma 1)\nb.jpg,grey (mean chroma 2)\nc.jpg,exact duplicate of d.jpg\n"
    )
    (artifacts / "scene_probs").mkdir()
    rows = "".join(f"{n},scene{n},outdoor,{20 - n},1,1,1\n" for n in range(18))
    (artifacts / "scene_probs/scenes.csv").write_text("class,scene,environment,photos,train,val,test\n" + rows)
    everything = pages.photo_ids(repository.root)
    assert len(everything) == 13
    kept = frozenset(sorted(everything)[:11])
    page = pages.labels_page(repository.root, kept | {"gone"})
    assert "| all | 13 | 2 |" in page
    assert "1 that were there before are gone" in page
    assert "| grey | 2 |" in page
    assert "| exact duplicate | 1 |" in page
    assert "| scene0 | 20 | ████████████████████ |" in page
    assert "scene16" not in page
    assert "12 more show others" in page, "5, 4 and 3"
    assert "no color_prior.png" in page


def test_a_picture_travels_inside_the_page_and_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1200, 3000, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "sheet.png")
    drawn = pages.picture(tmp_path / "sheet.png", "a sheet")
    found = re.fullmatch(r"!\[a sheet\]\(data:image/jpeg;base64,(.+)\)", drawn)
    assert found
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as image:
        assert image.size == (900, 360)


def test_the_evaluation_page_sets_both_models_beside_grey(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository", "sqlite:///mlflow.db")
    found = []
    for quality in (0.9, 0.4):
        repository.train(quality)
        found.append(Results.load(repository.root / "artifacts/evaluate"))
    page = pages.evaluation_page(*found, "champion, version 1", "A note.", tmp_path / "none.jpg")
    rows = [line.split(" | ") for line in page.splitlines() if " | reg | " in line]
    assert [row[0] for row in rows] == ["| this network", "| champion, version 1"]
    assert float(rows[0][2]) > float(rows[1][2]) > 0, "above grey, dB"
    assert sum(" grey | " in line for line in page.splitlines()) == 1
    assert "10 test photographs. A note." in page


def test_the_training_page_leaves_learning_rates_out() -> None:
    page = pages.training_page([{"epoch": "1", "lr-AdamW": "0.1", "val_loss": "5.865622520"}], new=True)
    assert "| epoch | val_loss |" in page
    assert "| 1 | 5.8656 |" in page
