import colorsys

import numpy as np
import pytest

from scenehue.data.augment import training_geometry, training_lightness, validation_geometry
from scenehue.params import AugmentParams

STRONG = AugmentParams(min_crop_area=0.2, flip=0.5, rotate_degrees=20, lightness=0.3, noise=5)


def stripes() -> np.ndarray:
    """A photo of two flat colours of different hue, saturation and lightness."""
    photo = np.empty((90, 120, 3), np.uint8)
    photo[:, :60], photo[:, 60:] = (200, 40, 40), (30, 60, 180)
    return photo


def test_geometry_makes_no_new_colours() -> None:
    geometry = training_geometry(STRONG, 64)
    geometry.set_random_seed(0)
    wanted = {round(colorsys.rgb_to_hsv(*np.array(color) / 255)[0], 2) for color in ((200, 40, 40), (30, 60, 180))}
    for _ in range(20):
        crop = geometry(image=stripes())["image"]
        assert crop.shape == (64, 64, 3)
        flat = np.abs(np.diff(crop.astype(int), axis=1, append=crop[:, -1:])).sum(-1) == 0
        hues = {round(colorsys.rgb_to_hsv(*color / 255)[0], 2) for color in np.unique(crop[flat], axis=0)}
        # Between the stripes colours mix; within them hue stays as it is.
        assert len(hues & wanted) >= 1
        counts = [np.all(crop == color, axis=-1).sum() for color in ((200, 40, 40), (30, 60, 180))]
        assert sum(counts) > 0.8 * 64 * 64


def test_lightness_changes_but_stays_a_lightness() -> None:
    change = training_lightness(STRONG)
    change.set_random_seed(0)
    flat = np.full((32, 32, 1), 0.5, np.float32)
    means = [float(change(image=flat)["image"].mean()) for _ in range(30)]
    assert np.std(means) > 0.02
    assert change(image=flat)["image"].shape == flat.shape


def test_no_augmentation_is_none() -> None:
    still = AugmentParams(min_crop_area=1, flip=0, rotate_degrees=0, lightness=0, noise=0)
    flat = np.random.default_rng(0).random((16, 16, 1)).astype(np.float32)
    assert np.array_equal(training_lightness(still)(image=flat)["image"], flat)


@pytest.mark.parametrize("shape", [(90, 120), (120, 90), (40, 40)])
def test_validation_takes_the_centre(shape: tuple[int, int]) -> None:
    photo = np.zeros((*shape, 3), np.uint8)
    height, width = shape
    photo[height // 2 - 8 : height // 2 + 8, width // 2 - 8 : width // 2 + 8] = 255
    square = validation_geometry(photo, 64)
    assert square.shape == (64, 64, 3)
    assert square[32, 32].tolist() == [255, 255, 255]
    bright = np.argwhere(square[..., 0] > 127)
    assert np.abs(bright.mean(0) - 31.5).max() < 1


def test_the_map_moves_with_the_photo_and_gets_no_new_classes() -> None:
    geometry = training_geometry(STRONG, 64)
    photo, classes = stripes(), np.zeros((90, 120), np.uint8)
    classes[:, 60:] = 181
    for seed in range(20):
        geometry.set_random_seed(seed)
        crop = geometry(image=photo, mask=classes)
        assert set(np.unique(crop["mask"])) <= {0, 181}
        blue = crop["image"][..., 2] > crop["image"][..., 0]
        assert (blue == (crop["mask"] == 181)).mean() > 0.97
        geometry.set_random_seed(seed)
        assert np.array_equal(geometry(image=photo)["image"], crop["image"]), "a map beside it changes no photo"


def test_validation_takes_the_nearest_class() -> None:
    classes = np.zeros((90, 120), np.uint8)
    classes[20:70, 40:80] = 255
    square = validation_geometry(classes, 32, nearest=True)
    assert set(np.unique(square)) == {0, 255}
    assert (square == 255).mean() == pytest.approx(50 * 40 / 90**2, abs=0.03)
