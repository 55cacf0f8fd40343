"""Sets a trained network's decoders on validation photographs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scenehue.color.lab import rgb_to_lab
from scenehue.data.augment import validation_geometry
from scenehue.data.decode import decode_rgb
from scenehue.data.shards import PhotoDataset
from scenehue.evaluation.tuning import TEMPERATURES, tune_reg, tune_vivid
from scenehue.inference.model import REG, ChromaModel, Decoder
from scenehue.inference.predict import views_of, working_shapes
from scenehue.inference.upsample import cubic, resize

Float32 = npt.NDArray[np.float32]

MAX_PHOTOS = 200
"""So many validation photographs, the first by hash, are looked at."""
_AT_ONCE = 8


def set_decoders(model: ChromaModel, photos: PhotoDataset, reg: bool, vivid: bool) -> dict[str, dict[str, float]]:
    """Chooses the saturation of Reg, and the temperature and saturation of vivid.

    The photographs are seen as they are to be coloured, at all of the network's scales, cropped to squares; what is
    said of them is judged at the size of the network's map.

    Args:
        model: The network.
        photos: For validation; it was not trained on them.
        reg: Whether to set Reg.
        vivid: Whether to set vivid.

    Returns:
        Settings by decoder, as a model's card keeps them; nothing where there are no photographs.
    """
    decoders: dict[str, dict[str, float]] = {}
    if not len(photos) or not (reg or vivid):
        return decoders
    squares = _squares(photos, working_shapes(1, 1, model)[0][0])
    if reg:
        predicted = _predict(model, squares, REG)
        decoders["reg"] = tune_reg(_shrunk(squares, predicted.shape[1]), predicted)
    if vivid:
        annealed = {warmth: _predict(model, squares, Decoder("annealed", warmth)) for warmth in TEMPERATURES}
        decoders["vivid"] = tune_vivid(_shrunk(squares, annealed[TEMPERATURES[0]].shape[1]), annealed)
    return decoders


def _squares(photos: PhotoDataset, side: int) -> Float32:
    """(N, side, side, 3) Lab."""
    rgb = (decode_rgb(photos.encoded(index), name=photos.ids[index]) for index in range(min(len(photos), MAX_PHOTOS)))
    return np.stack([rgb_to_lab(validation_geometry(photo, side)) for photo in rgb])


def _predict(model: ChromaModel, squares: Float32, decoder: Decoder) -> Float32:
    """(N, h, h, 2), ab at the size of the network's largest map, the mean over all looks."""
    maps = []
    for start in range(0, len(squares), _AT_ONCE):
        views = (views_of(plane, model) for plane in squares[start : start + _AT_ONCE, ..., 0])
        largest, *others = (model.chroma(np.stack(same), decoder) for same in zip(*views, strict=True))
        looks = [largest, *(cubic(ab, *largest.shape[-2:]) for ab in others)]
        maps.append(np.mean(looks, axis=0, dtype=np.float32))
    return np.moveaxis(np.concatenate(maps), 1, -1)


def _shrunk(squares: Float32, side: int) -> Float32:
    return np.stack([np.dstack([resize(plane, side, side) for plane in np.moveaxis(lab, -1, 0)]) for lab in squares])
