import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scenehue.scenes.soft_labels import soft_labels


def test_cafeteria_photo_of_the_paper():
    probabilities = np.full(365, (1 - 0.603) / 360, np.float32)
    places = [79, 150, 14, 281, 47]
    probabilities[places] = [0.179, 0.167, 0.091, 0.086, 0.080]
    classes, kept = soft_labels(probabilities[None])
    assert classes.tolist() == [places]
    assert np.abs(kept[0] - [0.297, 0.277, 0.151, 0.143, 0.133]).max() < 5e-4


def test_equal_probabilities_are_taken_in_the_order_of_the_classes():
    classes, kept = soft_labels(np.full((2, 365), 1 / 365, np.float32))
    assert classes.tolist() == [[0, 1, 2, 3, 4]] * 2
    assert np.allclose(kept, 0.2)


@given(arrays(np.float32, (3, 9), elements=st.floats(2**-10, 1, width=32)), st.integers(1, 9))
def test_the_highest_stay_in_proportion(probabilities, keep):
    classes, kept = soft_labels(probabilities, keep)
    assert classes.dtype == np.int16
    assert kept.dtype == np.float32
    for row, chosen, values in zip(probabilities, classes, kept, strict=True):
        highest = np.sort(row)[::-1][:keep].astype(np.float64)
        assert np.array_equal(row[chosen], highest)
        assert np.allclose(values, highest / highest.sum(), atol=1e-6)
