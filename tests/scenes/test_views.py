import numpy as np

from scenehue.scenes.views import central_views, squash


def test_views_show_the_centre_of_the_squashed_photo():
    photo = np.zeros((512, 1024, 3), np.uint8)
    photo[100:412, 200:824] = (10, 20, 255)
    (view,) = central_views([photo])
    assert view.shape == (3, 224, 224)
    assert view.dtype == np.float32
    # 512 rows become 256, of which 16 are cut on each side: row 100 lands on 34, and
    # of 1024 columns every fourth stays: column 200 lands on 34, too.
    assert np.allclose(view[:, 37, 112], np.float32([10, 20, 255]) / 255)
    assert np.allclose(view[:, 112, 37], np.float32([10, 20, 255]) / 255)
    assert view[:, 30, 112].max() == 0
    assert view[:, 112, 30].max() == 0


def test_squashing_early_changes_nothing():
    photos = [np.random.default_rng(0).integers(0, 256, (70, 91, 3), np.uint8) for _ in range(2)]
    assert np.array_equal(central_views(photos, 64), central_views([squash(photo, 64) for photo in photos], 64))
