"""The base install: nothing that training brings may be needed to colour photographs."""

import subprocess
import sys

from inference.files import encoded, every_kind, picture

BLOCKED = """
import sys

class Blocker:
    blocked = {"torch", "torchvision", "timm", "cv2", "scipy", "pyarrow", "matplotlib", "mlflow", "safetensors", "onnx",
               "albumentations", "pytorch_lightning", "sklearn", "skimage", "pandas", "boto3", "pillow_heif"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def run(program, *arguments):
    command = [sys.executable, "-c", BLOCKED + program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_every_kind_is_coloured(model_folder, tmp_path):
    (tmp_path / "in").mkdir()
    kinds = every_kind()
    for name, data in kinds.items():
        (tmp_path / "in" / name).write_bytes(data)
    program = """
import typer
from scenehue.inference.command import colorize
app = typer.Typer()
app.command()(colorize)
app()
"""
    done = run(program, tmp_path / "in", "-o", tmp_path / "out", "-m", model_folder)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").iterdir())) == len(kinds)


def test_colorizer_and_what_needs_more(model_folder, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(picture(), "PNG"))
    program = """
from scenehue.errors import ScenehueError
from scenehue.inference.colorizer import Colorizer
folder, photo = sys.argv[1:]
colorizer = Colorizer.load(folder)
print(colorizer(photo, decoder="vivid").size)
for options in ({"device": "cuda"}, {"dtype": "bfloat16"}):
    try:
        Colorizer.load(folder, **options)
    except ScenehueError as error:
        print(error)
from scenehue.inference.items import find_photos
try:
    find_photos(["s3://bucket/x"])
except ScenehueError as error:
    print(error)
"""
    done = run(program, model_folder, tmp_path / "a.png")
    lines = done.stdout.splitlines()
    assert lines[0] == "(48, 32)", done.stderr
    assert all("scenehue[train]" in line for line in lines[1:3])
    assert "scenehue[s3]" in lines[3]
