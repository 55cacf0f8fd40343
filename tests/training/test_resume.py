import os
from pathlib import Path

from scenehue.training.resume import fingerprint, forget_abandoned


def test_changes_with_parameters_and_contents_only(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    one.write_bytes(b"photos")
    same.write_bytes(b"photos")
    other.write_bytes(b"other photos")
    base = fingerprint(["epochs: 1"], [one])
    assert base == fingerprint(["epochs: 1"], [same])
    assert len({base, fingerprint(["epochs: 2"], [one]), fingerprint(["epochs: 1"], [other])}) == 3


def test_of_abandoned_trainings_the_last_ones_are_kept(tmp_path: Path) -> None:
    for age, name in enumerate("abcdef"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "last.ckpt").touch()
        for path in (tmp_path / name / "last.ckpt", tmp_path / name):
            os.utime(path, (1e9 - age, 1e9 - age))
    (tmp_path / "e/last.ckpt").touch()  # written to just now, so it may be running
    gone = forget_abandoned(tmp_path, but=tmp_path / "f", keep=2)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "e", "f"}
    assert {path.name for path in gone} == {"b", "c", "d"}
    assert forget_abandoned(tmp_path / "none", but=tmp_path) == []
