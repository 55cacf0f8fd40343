import contextlib
import time
from pathlib import PurePosixPath

from inference.files import encoded, picture
from scenehue.inference.batch import Batch
from scenehue.inference.convert import Settings
from scenehue.inference.items import find_photos
from scenehue.inference.sinks import FolderSink

JPEG = encoded(picture(), "JPEG")


def test_large_photos_are_taken_one_at_a_time(tinter, tmp_path, monkeypatch):
    from scenehue.inference import batch

    monkeypatch.setattr(batch, "LARGE_MEGAPIXELS", 0.0)
    inside, most = [], []

    class Counting(FolderSink):
        @contextlib.contextmanager
        def written(self, relative: PurePosixPath):
            with super().written(relative) as path:
                inside.append(relative)
                time.sleep(0.02)
                most.append(len(inside))
                yield path
                inside.remove(relative)

    for index in range(6):
        (tmp_path / f"{index}.jpg").write_bytes(JPEG)
    results = list(Batch(tinter, Counting(tmp_path / "out"), Settings(), workers=3).run(find_photos([str(tmp_path)])))
    assert {result.status for result in results} == {"done"}
    assert max(most) == 1
