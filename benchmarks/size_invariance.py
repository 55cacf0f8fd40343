"""How much colours change with the size of the input: the same photographs at 0.5, 1 and 2 times their size.

Run: python benchmarks/size_invariance.py [--photos 20]

Each photograph's predicted chroma at another size is brought back and compared: mean distance in the ab plane, beside
the mean chroma that was predicted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from colorize_model import model_folder, table
from PIL import Image

from scenehue.inference.colorizer import Colorizer
from scenehue.inference.predict import photo_lightness, predict_ab
from scenehue.inference.upsample import resize

SAMPLE = Path(__file__).parents[1] / "data/sample"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=20)
    count = parser.parse_args().photos
    colorizer = Colorizer.load(model_folder())
    photos = sorted(SAMPLE.glob("*.jpg"))
    photos = photos[:: max(1, len(photos) // count)][:count]
    rows = []
    for decoder in ("reg", "vivid" if "vivid" in colorizer.card.decoders else "annealed"):
        distances: dict[float, list[float]] = {0.5: [], 2.0: []}
        chromas = []
        for path in photos:
            image = Image.open(path).convert("RGB")
            predicted = {}
            for factor in (0.5, 1.0, 2.0):
                size = round(image.width * factor), round(image.height * factor)
                lightness = photo_lightness(np.asarray(image.resize(size, Image.Resampling.LANCZOS)))
                ab = predict_ab(colorizer.model, lightness, decoder=colorizer.decoder(decoder))
                planes = [resize(ab[..., channel], image.height, image.width) for channel in (0, 1)]
                predicted[factor] = np.stack(planes, axis=-1)
            chromas.append(float(np.linalg.norm(predicted[1.0], axis=-1).mean()))
            for factor in distances:
                distances[factor].append(float(np.linalg.norm(predicted[factor] - predicted[1.0], axis=-1).mean()))
        for factor, values in distances.items():
            measured = f"{np.mean(values):.2f}, at most {max(values):.2f}"
            rows.append(
                (f"{decoder}: {factor:g} times the size", measured, f"{np.mean(values) / np.mean(chromas):.2f}")
            )
    table(rows, (f"{len(photos)} photographs", "mean ab distance to the photo's own size", "of the mean chroma"))


if __name__ == "__main__":
    main()
