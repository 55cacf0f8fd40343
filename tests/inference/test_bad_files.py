import io
import os
import struct
import subprocess
import sys
import traceback
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inference.files import encoded, every_kind, picture, tiff
from scenehue.errors import PhotoError
from scenehue.inference.batch import Batch, Existing
from scenehue.inference.convert import Settings, color_page
from scenehue.inference.items import find_photos
from scenehue.inference.photo_file import open_photo
from scenehue.inference.sinks import FolderSink

KINDS = every_kind()


def read(data, name="photo.jpg", **options):
    photo = open_photo(io.BytesIO(data), name, **options)
    return photo, list(photo.pages())


def noise(size=(300, 200)):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))


def bomb() -> bytes:
    """A PNG of 400 megapixels in a few hundred kilobytes."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 20000, 20000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(20001 * 20000)))


BAD = {
    "empty": (b"", "empty file"),
    "html": (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "a web page"),
    "text": (b"hello world", "no photo: not JPEG, PNG"),
    "film": (b"\0\0\0\x18ftypisom" + bytes(50), "a film"),
    "bomb": (bomb(), "20000 x 20000 = 400 megapixels, more than the limit of 200; raise it with --max-megapixels"),
    "head only": (encoded(noise(), "JPEG")[:300], "truncated or damaged"),
    "animated gif": (encoded(noise(), "GIF", save_all=True, append_images=[noise((300, 201))]), "animated"),
    "animated webp": (encoded(noise(), "WEBP", save_all=True, append_images=[picture(300, 200)]), "animated"),
    "animated png": (encoded(noise(), "PNG", save_all=True, append_images=[picture(300, 200)]), "animated"),
    "deep lab": (tiff(np.zeros((8, 8, 3), np.uint16), photometric="cielab"), "a TIFF whose kind of pixels cannot be"),
    "floats": (encoded(Image.fromarray(np.full((8, 8), 1e6, np.float32)), "TIFF"), "32-bit pixels"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_bad_file_says_why(name):
    data, reason = BAD[name]
    with pytest.raises(PhotoError, match=f"photo.jpg: .*{reason}"):
        read(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "BMP", "PPM", "GIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files_are_never_half_read(kind, share):
    data = encoded(noise(), kind)
    with pytest.raises(PhotoError, match="truncated or damaged"):
        read(data[: int(len(data) * share)])


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_truncated_deep_files_are_never_half_read(name):
    with pytest.raises(PhotoError, match="truncated or damaged"):
        read(KINDS[name][: len(KINDS[name]) * 2 // 3])


def test_wrong_extension_is_no_obstacle():
    photo, (page,) = read(encoded(picture(), "PNG"), "really-a-png.jpg")
    assert photo.original_format == "PNG"
    assert page.pixels.shape == (32, 48, 3)


def test_limit_can_be_raised_and_lowered():
    data = encoded(picture(), "PNG")
    with pytest.raises(PhotoError, match=r"limit of 0\.001"):
        read(data, max_megapixels=0.001)
    large = b"P5 15000 15000 255\n"
    with pytest.raises(PhotoError, match="225 megapixels"):
        open_photo(io.BytesIO(large), "big.pgm")
    assert open_photo(io.BytesIO(large), "big.pgm", max_megapixels=300).width == 15000


def test_a_page_over_the_limit_is_refused():
    data = encoded(picture(), "TIFF", save_all=True, append_images=[picture(480, 320)])
    with pytest.raises(PhotoError, match="480 x 320"):
        read(data, max_megapixels=0.01)


def colour_folder(tinter, folder, out, **existing):
    results = Batch(tinter, FolderSink(out), Settings(), Existing(**existing), 2).run(find_photos([str(folder)]))
    return {Path(result.source).name: result for result in results}


def test_one_bad_file_does_not_stop_the_others(tinter, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.jpg", "b.png", "-dash.jpg", "with space ü.jpg"):
        (folder / name).write_bytes(encoded(picture(), "PNG" if name.endswith("png") else "JPEG"))
    long = "写" * 82 + ".jpg"  # as many bytes as a file's name may have
    (folder / long).write_bytes(encoded(picture(), "JPEG"))
    for name, (data, _) in BAD.items():
        (folder / f"{name}.jpg").write_bytes(data)
    results = colour_folder(tinter, folder, tmp_path / "out")
    done = {name for name, result in results.items() if result.status == "done"}
    assert done == {"a.jpg", "b.png", "-dash.jpg", "with space ü.jpg", long}
    assert {path.name for path in (tmp_path / "out").iterdir()} == done
    assert len(results) == len(BAD) + 5
    assert all(BAD[Path(name).stem][1] in result.reason for name, result in results.items() if name not in done)


def test_no_rights(tinter, tmp_path):
    # Root may do everything, so the deed is done by nobody, in a process of its own.
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "secret.jpg").write_bytes(encoded(picture(), "JPEG"))
    (folder / "fine.jpg").write_bytes(encoded(picture(), "JPEG"))
    (folder / "secret.jpg").chmod(0)
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    for parent in (tmp_path, *tmp_path.parents[:3]):  # pytest-xdist has a folder more
        parent.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            results = colour_folder(tinter, folder, locked)
            assert results["secret.jpg"].reason == "cannot be read: Permission denied"
            assert "cannot be written: Permission denied" in results["fine.jpg"].reason
            code = 0
        except BaseException:  # noqa: BLE001 - the process ends here
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize(
    ("name", "kind"), [("big.jpg", "JPEG"), ("big.png", "PNG"), ("big.tif", "TIFF"), ("big.webp", "WEBP")]
)
def test_disk_full_in_mid_write_leaves_nothing(name, kind, tmp_path):
    (tmp_path / name).write_bytes(encoded(noise((400, 300)), kind))
    program = f"""
import resource, signal, sys
sys.path[:0] = {[*sys.path]!r}
from inference.conftest import Tinter
from scenehue.inference.batch import Batch
from scenehue.inference.convert import Settings
from scenehue.inference.items import find_photos
from scenehue.inference.sinks import FolderSink
from pathlib import Path
source, out = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
(result,) = Batch(Tinter(), FolderSink(Path(out)), Settings()).run(find_photos([source]))
sys.stderr.write(result.status + " " + result.reason)
"""
    command = [sys.executable, "-c", program, str(tmp_path / name), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.startswith("failed"), done.stderr
    assert "cannot be written: " in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_original_is_never_replaced_unless_told(tinter, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(picture(), "PNG"))
    before = path.read_bytes()
    for options in ({}, {"overwrite": True}, {"resume": True}):
        assert "would replace the original" in colour_folder(tinter, tmp_path, tmp_path, **options)["a.png"].reason
    assert path.read_bytes() == before
    assert colour_folder(tinter, tmp_path, tmp_path, replace_originals=True)["a.png"].status == "done"
    assert path.read_bytes() != before


def test_no_other_original_is_replaced_either(tinter, tmp_path):
    for folder, side in (("a", 32), ("b", 48)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.png").write_bytes(encoded(picture(side, side), "PNG"))
    before = (tmp_path / "a/x.png").read_bytes()
    items = find_photos([str(tmp_path / "b"), str(tmp_path / "a")])
    results = list(Batch(tinter, FolderSink(tmp_path / "a"), Settings(), Existing(overwrite=True)).run(items))
    assert {result.status for result in results} == {"failed"}
    assert (tmp_path / "a/x.png").read_bytes() == before


def test_links_to_the_original_are_seen_through(tinter, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(encoded(picture(), "PNG"))
    (tmp_path / "out").symlink_to(tmp_path / "in")
    assert (
        "would replace the original"
        in colour_folder(tinter, tmp_path / "in", tmp_path / "out", overwrite=True)["a.png"].reason
    )


def test_results_that_are_there(tinter, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(encoded(picture(), "PNG"))
    assert colour_folder(tinter, tmp_path / "in", tmp_path / "out")["a.png"].status == "done"
    first = (tmp_path / "out/a.png").stat().st_mtime_ns
    assert "is there already" in colour_folder(tinter, tmp_path / "in", tmp_path / "out")["a.png"].reason
    assert colour_folder(tinter, tmp_path / "in", tmp_path / "out", resume=True)["a.png"].status == "skipped"
    assert (tmp_path / "out/a.png").stat().st_mtime_ns == first
    assert colour_folder(tinter, tmp_path / "in", tmp_path / "out", overwrite=True)["a.png"].status == "done"


def test_two_photos_never_share_a_result(tinter, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.bmp").write_bytes(encoded(picture(), "BMP"))
    (tmp_path / "in/a.png").write_bytes(encoded(picture(), "PNG"))
    statuses = sorted(result.status for result in colour_folder(tinter, tmp_path / "in", tmp_path / "out").values())
    assert statuses == ["done", "failed"]


SMALL = Settings(max_megapixels=0.5)


def picture_or_typed_error(data, tinter):
    try:
        photo = open_photo(io.BytesIO(data), "fuzzed", SMALL.max_megapixels)
        for page in photo.pages():
            height, width = page.pixels.shape[:2]
            colored, _ = color_page(tinter, page, SMALL)
            assert colored.pixels.shape == (height, width, 3)
    except PhotoError:
        return False
    return True


@pytest.fixture(scope="module")
def small_kinds():
    from inference import files

    original, files.picture = files.picture, lambda: picture(20, 14)
    try:
        return sorted(files.every_kind().items())
    finally:
        files.picture = original


@settings(max_examples=500)
@given(start=st.sampled_from([b"", *sorted({data[:16] for data in KINDS.values()})]), rest=st.binary(max_size=400))
def test_fuzz_bytes(start, rest):
    from inference.conftest import Tinter

    picture_or_typed_error(start + rest, Tinter())


def test_fuzz_flipped_bits(small_kinds, capfd):
    from inference.conftest import Tinter

    tinter, survived = Tinter(), []

    @settings(max_examples=1700)
    @given(data=st.data())
    def flip(data):
        _, original = data.draw(st.sampled_from(small_kinds))
        damaged = bytearray(original)
        last = len(damaged) * 8 - 1
        positions = st.integers(0, min(last, 8 * 400)) | st.integers(0, last)
        for position in data.draw(st.lists(positions, min_size=1, max_size=12)):
            damaged[position // 8] ^= 1 << position % 8
        survived.append(picture_or_typed_error(bytes(damaged), tinter))

    flip()
    assert len(survived) >= 1700
    assert 0.05 < np.mean(survived) < 0.95
