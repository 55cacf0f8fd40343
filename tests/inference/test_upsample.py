import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import maximum_filter, sobel

from scenehue.color.lab import rgb_to_lab
from scenehue.inference.predict import working_shape
from scenehue.inference.upsample import (
    ChromaField,
    cubic,
    refine,
    resize,
    upsample_bilinear,
    upsample_edge_aware,
)


@pytest.mark.parametrize(("source", "target"), [(16, 100), (100, 16), (7, 7), (1, 5), (5, 1)])
def test_cubic_is_that_of_pillow(source, target):
    planes = np.random.default_rng(0).random((2, source, 9)).astype(np.float32)
    for resized, plane in zip(cubic(planes, target, 31), planes, strict=True):
        expected = Image.fromarray(plane).resize((31, target), Image.Resampling.BICUBIC)
        assert np.allclose(resized, np.asarray(expected), atol=1e-5)


def test_shrinking_averages_areas():
    plane = np.random.default_rng(0).random((997, 1501)).astype(np.float32)
    expected = Image.fromarray(plane).resize((60, 40), Image.Resampling.BILINEAR)
    assert np.abs(resize(plane, 40, 60) - np.asarray(expected)).max() < 0.02


def test_constant_chroma_stays_constant():
    guide = np.random.default_rng(0).random((120, 150)).astype(np.float32) * 100
    ab = np.broadcast_to(np.float32([20, -30])[:, None, None], (2, 16, 24)).copy()
    full = upsample_edge_aware(ab, resize(guide, 64, 96), guide)
    assert np.allclose(full, [20, -30], atol=1e-2)


def test_refined_chroma_averages_to_the_networks_own():
    generator = np.random.default_rng(0)
    ab = np.stack([resize(plane, 16, 24) for plane in generator.normal(0, 30, (2, 4, 6)).astype(np.float32)])
    lightness = resize(generator.random((32, 48)).astype(np.float32) * 100, 64, 96)
    again = np.stack([resize(plane, 16, 24) for plane in refine(ab, lightness)])
    assert np.abs(again - ab).mean() < 0.05 * np.abs(ab).mean()


def test_chroma_follows_edges_better_than_bilinear(sample_folder):
    gains = []
    for name in ("scarlet-macaw", "mykonos-windmills", "clownfish-in-anemone", "dahlia-flower", "taj-mahal"):
        lab = rgb_to_lab(np.asarray(Image.open(sample_folder / f"{name}.jpg").convert("RGB")))
        guide, truth = lab[..., 0], lab[..., 1:]
        height, width = working_shape(*guide.shape, size=256, multiple=32)
        ab = np.stack([resize(plane, height // 4, width // 4) for plane in np.moveaxis(truth, -1, 0)])
        slopes = np.hypot(sobel(truth, 0), sobel(truth, 1)).max(axis=-1)
        near_edges = maximum_filter(slopes, 5) > np.quantile(slopes, 0.95)
        errors = [
            np.linalg.norm(result - truth, axis=-1)[near_edges].mean()
            for result in (
                upsample_edge_aware(ab, resize(guide, height, width), guide),
                upsample_bilinear(ab, *guide.shape),
            )
        ]
        gains.append(errors[0] / errors[1])
    assert np.mean(gains) < 0.8
    assert max(gains) < 0.95


def test_photo_smaller_than_the_working_size():
    guide = np.random.default_rng(0).random((10, 14)).astype(np.float32) * 100
    ab = np.zeros((2, 16, 24), np.float32)
    field = ChromaField([(ab, resize(guide, 64, 96))], 10, 14)
    assert np.array_equal(field.rows(0, guide)[0], guide)
    assert np.abs(field.rows(0, guide)[1:]).max() < 1e-4


def test_looks_at_several_sizes_are_averaged_after_each_has_followed_its_edges():
    generator = np.random.default_rng(0)
    guide = resize(generator.random((12, 15)).astype(np.float32) * 100, 120, 150)
    looks = []
    for height, width in ((64, 96), (32, 32)):
        ab = generator.normal(0, 30, (2, height // 4, width // 4)).astype(np.float32)
        looks.append((ab, resize(guide, height, width)))
    together = np.moveaxis(ChromaField(looks, *guide.shape).rows(0, guide)[1:], 0, -1)
    apart = [upsample_edge_aware(ab, seen, guide) for ab, seen in looks]
    error = np.abs(together - np.mean(apart, axis=0)).mean()
    assert error < 0.05 * np.abs(apart[0] - apart[1]).mean(), "the same but for one resizing more"
