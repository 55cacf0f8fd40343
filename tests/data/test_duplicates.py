"""Alike for a person, alike for the hash; and a search that misses nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from scipy.fft import dctn

from data.photos import SAMPLE, encode, sample
from scenehue.data.decode import decode_rgb
from scenehue.data.duplicates import NearDuplicates, perceptual_hash


def distance(first, second) -> int:
    return (perceptual_hash(np.asarray(first)) ^ perceptual_hash(np.asarray(second))).bit_count()


def test_the_hash_is_the_known_one():
    grey = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    low = dctn(grey.astype(float), norm="ortho")[:8, :8].ravel()
    expected = int("".join("1" if value > np.median(low) else "0" for value in low), 2)
    assert perceptual_hash(np.dstack([grey] * 3)) == expected


@pytest.mark.parametrize("name", ["koala", "taj-mahal", "forest-stream", "honey-bee-blossom"])
def test_the_same_photo_in_another_size_quality_or_light(name):
    photo = Image.fromarray(decode_rgb(sample(name)))
    assert distance(photo, photo.resize((photo.width // 3, photo.height // 3), Image.Resampling.LANCZOS)) <= 4
    assert distance(photo, decode_rgb(encode(photo, quality=20))) <= 4
    assert distance(photo, ImageEnhance.Brightness(photo).enhance(0.9)) <= 4
    assert distance(photo, photo.convert("L").convert("RGB")) <= 4


def test_different_photos_are_far_apart():
    hashes = [perceptual_hash(decode_rgb(path.read_bytes(), short_side=64)) for path in sorted(SAMPLE.glob("*.jpg"))]
    distances = [(a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[:i]]
    assert len(distances) == 103 * 102 / 2
    assert min(distances) > 8


@given(
    max_bits=st.integers(0, 16),
    hashes=st.lists(st.integers(0, 2**64 - 1), max_size=20),
    hash=st.integers(0, 2**64 - 1),
    flips=st.lists(st.sets(st.integers(0, 63), max_size=18), max_size=8),
)
def test_the_search_finds_what_comparing_with_all_finds(max_bits, hashes, hash, flips):
    hashes = hashes + [hash ^ sum(1 << bit for bit in bits) for bits in flips]
    search = NearDuplicates(max_bits)
    for other in hashes:
        search.add(other)
    expected = next((i for i, other in enumerate(hashes) if (other ^ hash).bit_count() <= max_bits), None)
    assert search.find(hash) == expected
