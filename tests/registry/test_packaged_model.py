from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib import metadata
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from registry.test_server import free_port
from registry.workshop import write_model
from scenehue.errors import ArtifactError, PhotoError
from scenehue.inference.colorizer import Colorizer
from scenehue.models.checkpoint import load_checkpoint, save_checkpoint
from scenehue.registry.files import check_files
from scenehue.registry.package import MODEL, build_package, num_parameters
from scenehue.registry.smoke import try_package


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """A real package of a small network with random colours and a vivid decoder."""
    import torch

    folder = tmp_path_factory.mktemp("packaged")
    write_model(folder / "plain", 0.5)
    net, card = load_checkpoint(folder / "plain")
    torch.manual_seed(1)
    torch.nn.init.normal_(net.reg_head.weight, std=0.3)
    torch.nn.init.normal_(net.soft_head.weight, std=0.5)
    tuned = card.model_copy(update={"decoders": {"vivid": {"temperature": 0.3, "saturation": 1.2}}})
    save_checkpoint(folder / "model", net, tuned)
    build_package(folder / "package", folder / "model")
    return folder / "package"


@pytest.fixture(scope="module")
def model(package):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        return mlflow.pyfunc.load_model(str(package))


def encoded(shape: tuple[int, ...], kind: str = "PNG", dtype=np.uint8, **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


FILES = {
    "jpeg": encoded((60, 83, 3), "JPEG"),
    "turned": encoded(
        (40, 64, 3), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    ),
    "alpha": encoded((33, 47, 4)),
    "grey": encoded((50, 31)),
    "deep": encoded((20, 45), dtype=np.uint16),
    "row": encoded((1, 70)),
    "column": encoded((70, 1)),
    "dot": encoded((1, 1)),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("params", [{}, {"decoder": "annealed", "size": 64, "saturation": 0.5}], ids=["own", "given"])
def test_files_come_out_as_the_library_writes_them(model, package, tmp_path, name, params):
    (tmp_path / "in").write_bytes(FILES[name])
    Colorizer.load(package / MODEL).convert(tmp_path / "in", tmp_path / "out.png", **params)
    wanted = (tmp_path / "out.png").read_bytes()
    for given in (FILES[name], base64.b64encode(FILES[name]).decode()):
        (colored,) = model.predict(pd.DataFrame({"photo": [given]}), params=params)["photo"]
        assert colored == wanted


def test_arrays_come_out_as_the_library_makes_them(model, package):
    photos = [np.asarray(Image.open(io.BytesIO(FILES[name]))) for name in ("jpeg", "grey", "row")]
    colored = model.predict(pd.DataFrame({"photo": photos}), params={"decoder": "reg"})["photo"]
    colorizer = Colorizer.load(package / MODEL)
    for photo, result in zip(photos, colored, strict=True):
        assert result.dtype == np.uint8
        assert result.shape == (*photo.shape[:2], 3)
        np.testing.assert_array_equal(result, colorizer(photo, decoder="reg"))


def test_a_photo_that_is_none_is_named(model):
    with pytest.raises(PhotoError, match="photo 1"):
        model.predict(pd.DataFrame({"photo": [FILES["dot"], b"no photo"]}))


def test_it_says_what_it_takes_and_needs_no_training(package):
    about = yaml.safe_load((package / "MLmodel").read_text())
    assert json.loads(about["signature"]["inputs"]) == [{"name": "photo", "type": "binary", "required": True}]
    assert {entry["name"] for entry in json.loads(about["signature"]["params"])} == {"decoder", "size", "saturation"}
    assert (package / "input_example.json").is_file()
    pins = dict(line.split("==") for line in (package / "requirements.txt").read_text().splitlines())
    assert pins["onnxruntime"] == metadata.version("onnxruntime")
    assert pins["mlflow"] == metadata.version("mlflow")
    assert not pins.keys() & {"torch", "timm", "pytorch-lightning", "opencv-python-headless"}
    assert not [path for path in package.rglob("*") if path.suffix in (".pkl", ".pickle", ".pt", ".pth")]


def test_it_brings_its_own_code(package, tmp_path):
    """In a process whose other code of the same name is broken, the package's is what runs."""
    (tmp_path / "scenehue").mkdir()
    (tmp_path / "scenehue/__init__.py").write_text("raise RuntimeError('the wrong code')")
    program = (
        "import mlflow, pandas, sys; model = mlflow.pyfunc.load_model(sys.argv[1]);"
        "import scenehue; print(scenehue.__file__)"
    )
    env = os.environ | {"PYTHONPATH": str(tmp_path), "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-c", program, str(package)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(package / "code/scenehue/__init__.py"), done.stderr


def test_the_package_passes_the_smoke_test_and_a_broken_or_pickled_one_does_not(package, tmp_path):
    result = try_package(package)
    assert result.passed, result.words
    assert "5 pictures" in result.words

    class Pickled(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input: list[str]) -> list[str]:
            return model_input

    mlflow.pyfunc.save_model(tmp_path / "pickled", python_model=Pickled(), pip_requirements=["mlflow"])
    result = try_package(tmp_path / "pickled")
    assert not result.passed
    assert "pickle is disallowed" in result.words


def test_planted_and_changed_files_are_refused(package, tmp_path):
    import hashlib

    digest = hashlib.sha256((package / "files.json").read_bytes()).hexdigest()
    copy = tmp_path / "copy"
    shutil.copytree(package, copy)
    compiled = copy / "__pycache__/packaged_model.cpython-311.pyc"
    compiled.parent.mkdir(exist_ok=True)
    compiled.write_bytes(b"planted")
    check_files(copy, digest, "version 1")
    assert not compiled.exists()
    shutil.rmtree(copy)
    for place, words in (("python_model.pkl", "was not there"), (f"{MODEL}/model.onnx", "not what was registered")):
        shutil.copytree(package, copy)
        (copy / place).write_bytes(b"planted")
        with pytest.raises(ArtifactError, match=f"{place} .*{words}|{place} {words}"):
            check_files(copy, digest, "version 1")
        shutil.rmtree(copy)
    shutil.copytree(package, copy)
    (copy / "MLmodel").unlink()
    with pytest.raises(ArtifactError, match="MLmodel is missing"):
        check_files(copy, digest, "version 1")
    (copy / "files.json").write_text("{}")
    with pytest.raises(ArtifactError, match="not the one that was registered"):
        check_files(copy, digest, "version 1")


def test_parameters_are_counted(package):
    net, _ = load_checkpoint(package / MODEL)
    assert num_parameters(package / MODEL / "model.safetensors") == sum(
        value.numel() for value in net.state_dict().values()
    )
    with pytest.raises(ArtifactError, match="MLmodel"):
        num_parameters(package / "MLmodel")


@pytest.mark.stack
def test_mlflow_serves_it(package, tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(package), "--env-manager", "local"]
    env = os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    question = {
        "dataframe_split": {"columns": ["photo"], "data": [[base64.b64encode(FILES["jpeg"]).decode()]]},
        "params": {"decoder": "reg", "size": 64},
    }
    try:
        answer = _ask(f"http://127.0.0.1:{port}", question, process, tmp_path / "log")
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    served = base64.b64decode(answer["predictions"][0]["photo"])
    (tmp_path / "in.jpg").write_bytes(FILES["jpeg"])
    Colorizer.load(package / MODEL).convert(tmp_path / "in.jpg", tmp_path / "out.png", decoder="reg", size=64)
    assert served == (tmp_path / "out.png").read_bytes()


def _ask(address, question, process, log):
    request = urllib.request.Request(
        f"{address}/invocations", json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    give_up = time.monotonic() + 180
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < give_up, log.read_text()
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode() + log.read_text()) from error
        except OSError:
            time.sleep(0.3)
