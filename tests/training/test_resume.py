from pathlib import Path

from scenehue.training.resume import fingerprint


def test_changes_with_parameters_and_contents_only(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    one.write_bytes(b"photos")
    same.write_bytes(b"photos")
    other.write_bytes(b"other photos")
    base = fingerprint(["epochs: 1"], [one])
    assert base == fingerprint(["epochs: 1"], [same])
    assert len({base, fingerprint(["epochs: 2"], [one]), fingerprint(["epochs: 1"], [other])}) == 3
