import io
import json
import shutil
import subprocess
import sys

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from inference.files import encoded, every_kind, picture
from scenehue.errors import ScenehueError
from scenehue.inference import command
from scenehue.inference.convert import convert as true_convert
from scenehue.inference.loading import find_model

app = typer.Typer()
app.command()(command.colorize)
app.command()(command.export)


@pytest.fixture
def run(model_folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments, code=0, **options):
        result = CliRunner().invoke(app, [*map(str, arguments), "--model", str(model_folder)], **options)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture
def folder(tmp_path):
    for name in ("scans/a.jpg", "scans/1920/b.png", "scans/1920/c.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        kind = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF"}[name[-3:]]
        (tmp_path / name).write_bytes(encoded(picture(), kind))
    return tmp_path / "scans"


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_folder_to_folder(run, folder, tmp_path):
    run("colorize", folder, "-o", "out")
    assert tree(tmp_path / "out") == tree(folder)
    again = run("colorize", folder, "-o", "out", code=1)
    assert "3 of 3 photos failed" in again.stderr
    assert "--resume" in again.stderr
    run("colorize", folder, "-o", "out", "--resume")
    run("colorize", folder, "-o", "out", "--overwrite")


def test_a_defect_in_one_photo_ends_only_that_one(run, folder, tmp_path, monkeypatch):
    def convert(model, photo, path, *arguments):
        if photo.name.endswith("b.png"):
            raise ZeroDivisionError("no test has found this")
        true_convert(model, photo, path, *arguments)

    monkeypatch.setattr("scenehue.inference.batch.convert", convert)
    result = run("colorize", folder, "-o", "out", code=1)
    assert tree(tmp_path / "out") == ["1920/c.tif", "a.jpg"]
    assert "cannot be coloured: ZeroDivisionError: no test has found this" in result.stderr


def test_without_an_output_results_lie_beside_the_originals(run, folder, tmp_path):
    run("colorize", "scans")
    assert tree(tmp_path / "scans-color") == tree(folder)
    run("colorize", "scans/a.jpg", "scans/1920/b.png")
    assert (folder / "a-color.jpg").is_file()
    assert (folder / "1920/b-color.png").is_file()
    before = (folder / "a.jpg").read_bytes()
    run("colorize", "scans/a.jpg", "--replace-originals")
    assert (folder / "a.jpg").read_bytes() != before


def test_what_lies_beside_a_folder_named_by_dots(run, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder / "1920")
    run("colorize", "..")
    assert tree(tmp_path / "scans-color") == ["1920/b.png", "1920/c.tif", "a.jpg"]


def test_results_are_not_coloured_again(run, folder, tmp_path):
    first, again = (run("colorize", "scans", "-o", "scans/color", "--resume").stderr for _ in range(2))
    assert (first, "scans/color: holds results" in again) == ("", True)
    assert tree(folder / "color") == ["1920/b.png", "1920/c.tif", "a.jpg"]
    shutil.rmtree(folder / "color")
    for _ in range(2):
        result = run("colorize", "scans/*.jpg", "--resume", "--compare")
    assert tree(folder)[2:] == ["a-color.jpg", "a-color.jpg.compare.jpg", "a.jpg"]
    assert "2 results of earlier runs are left out" in result.stderr


def test_one_file_to_one_file(run, folder, tmp_path):
    run("colorize", folder / "a.jpg", "-o", "new.webp")
    assert Image.open("new.webp").format == "WEBP"
    run("colorize", folder / "a.jpg", "-o", "new", "-f", "png")
    assert Image.open("new/a.png").format == "PNG"
    run("colorize", folder / "a.jpg", "-o", "low.jpg", "--quality", "20")
    run("colorize", folder / "a.jpg", "-o", "high.jpg", "-q", "98")
    assert (tmp_path / "low.jpg").stat().st_size < (tmp_path / "high.jpg").stat().st_size


def test_a_leading_dash_and_unicode(run, folder, tmp_path):
    (folder / "a.jpg").rename(tmp_path / "-ü a.jpg")
    run("colorize", "./-ü a.jpg", "-o", "out")
    assert tree(tmp_path / "out") == ["-ü a.jpg"]


def test_json_and_compare(run, folder, tmp_path):
    (folder / "bad.jpg").write_bytes(b"<html>")
    result = run("colorize", folder, "-o", "out", "--json", "--compare", code=1)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted(line["status"] for line in lines) == ["done", "done", "done", "failed"]
    assert {"source", "target", "reason", "notes", "megapixels", "seconds"} <= set(lines[0])
    sheet = Image.open(tmp_path / "out/a.jpg.compare.jpg")
    assert sheet.width > 2 * 48
    assert "bad.jpg: a web page" in result.stderr


def test_losses_are_said(run, tmp_path):
    (tmp_path / "deep.tif").write_bytes(every_kind()["deep-alpha.tif"])
    result = run("colorize", "deep.tif", "-o", "out.jpg")
    assert "16 bits a channel become 8" in result.stderr
    assert "no transparency" in result.stderr


def test_standard_streams(model_folder):
    program = (
        "import typer; from scenehue.inference.command import colorize;"
        "app = typer.Typer(); app.command()(colorize); app()"
    )
    command_line = [sys.executable, "-c", program, "-", "-o", "-", "--json", "-m", str(model_folder)]
    done = subprocess.run(command_line, input=encoded(picture(), "PNG"), capture_output=True, timeout=120, check=True)
    assert Image.open(io.BytesIO(done.stdout)).format == "PNG"
    assert json.loads(done.stderr)["source"] == "-"


def test_commands_that_cannot_be_meant(run, folder):
    for arguments, reason in (
        (["nowhere.jpg"], "there is no photo"),
        ([folder, "-o", "-"], "cannot all go to standard output"),
        ([folder, "-f", "bmp"], "there is no format 'bmp'"),
        ([folder, "--decoder", "loud"], "there is no decoder"),
        (["-", "-o", "out"], "has no name"),
        (["-"], "say with -o"),
        ([folder, "-o", "out.jpg"], "out.jpg is the name of one photo"),
        ([folder / "a.jpg", "-o", "out.bmp"], "BMP files are not written; choose jpeg, png"),
        ([folder / "a.jpg", "-o", "-", "--compare"], "needs a place"),
    ):
        with pytest.raises(ScenehueError, match=reason):
            run("colorize", *arguments, input=b"")
    run("colorize", folder, "--quality", "101", code=2)


def test_pixel_limit(run, folder):
    result = run("colorize", folder / "a.jpg", "-o", "x.jpg", "--max-megapixels", "0.001", code=1)
    assert "raise it with --max-megapixels" in result.stderr


def test_export(run, tmp_path):
    result = run("export", "new.onnx", "--full")
    assert "ab units away from the network" in result.stdout
    (tmp_path / "photo.png").write_bytes(encoded(picture(), "PNG"))
    run("colorize", "photo.png", "-o", "x.png", "--model", "new.onnx")
    with pytest.raises(ScenehueError, match="there is no target"):
        run("export", "new.onnx", "--to", "caffe")


def test_without_a_released_model_there_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
    with pytest.raises(ScenehueError, match="no released model"):
        find_model("released")
    (tmp_path / "released").mkdir()
    (tmp_path / "released/model.onnx").write_bytes(b"graph")
    assert find_model("released") == tmp_path / "released"
