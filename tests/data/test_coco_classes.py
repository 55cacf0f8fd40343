"""The table of classes against counts and ids that COCO and COCO-Stuff publish."""

import numpy as np
import pytest

from scenehue.data.coco_classes import NAMES, THINGS, UNLABELLED, USED, from_panoptic

UNUSED = "blender desk door eye_glasses hair_brush hat mirror plate shoe street_sign window".replace("_", " ")


def test_there_are_80_things_and_91_stuffs():
    assert len(NAMES) == len(set(NAMES)) == 182
    assert len(THINGS) == 80
    assert len(set(USED) - THINGS) == 91
    assert set(USED) - THINGS == set(range(91, 182))


def test_the_eleven_classes_without_pixels_are_those_that_its_authors_name():
    unused = {name for value, name in enumerate(NAMES) if value not in USED}
    assert " ".join(sorted(unused)) == UNUSED


# Both ends of each block, and classes that stand next to a gap in COCO's ids.
@pytest.mark.parametrize(
    ("id", "name"),
    [
        (1, "person"),
        (11, "fire hydrant"),
        (13, "stop sign"),
        (67, "dining table"),
        (90, "toothbrush"),
        (181, "window-other"),
    ],
)
def test_an_id_that_was_not_merged_is_the_value_above_it_by_one(id, name):
    assert NAMES[id - 1] == name
    assert from_panoptic(np.array(id)) == id - 1


def test_merged_ids_are_their_most_general_class():
    names = [NAMES[value] for value in from_panoptic(np.arange(184, 201))]
    assert " ".join(names) == (
        "tree fence ceiling-other sky-other cabinet table floor-other pavement mountain grass dirt paper food-other "
        "building-other rock wall-other rug"
    )


def test_ids_of_no_category_are_unlabelled():
    # 133 categories: 80 things, 36 stuffs as they were, 17 merged.
    values = from_panoptic(np.arange(256))
    assert np.count_nonzero(values != UNLABELLED) == 133
    assert {0, 12, 91, 94, 182, 183, 201, 255} <= set(np.flatnonzero(values == UNLABELLED).tolist())


def test_a_map_keeps_its_shape():
    assert from_panoptic(np.full((3, 4), 187, np.uint8)).shape == (3, 4)
    assert from_panoptic(np.full((3, 4), 187, np.uint8)).dtype == np.uint8
