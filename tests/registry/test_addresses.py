from __future__ import annotations

import sys

import pytest

from scenehue import Colorizer
from scenehue.errors import ArtifactError, ScenehueError
from scenehue.inference import loading
from scenehue.registry.addresses import folder_of
from scenehue.registry.files import FILES_TAG
from scenehue.registry.register import register
from scenehue.registry.versions import Registry

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def registered(repository, monkeypatch):
    repository.train(0.5)
    register(repository.params, repository.root)
    monkeypatch.chdir(repository.root)
    return repository


@pytest.mark.parametrize("address", ["models:/scenehue@challenger", "models:/scenehue/1"])
def test_an_address_is_a_model(registered, address, sample_folder):
    colored = Colorizer.load(address)(sample_folder / "koala.jpg", size=32)
    here = Colorizer.load(registered.root / "artifacts/train")(sample_folder / "koala.jpg", size=32)
    assert abs(colored.getpixel((5, 5))[0] - here.getpixel((5, 5))[0]) <= 1
    assert (folder_of(address) / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("models:/scenehue@champion", "no version 'champion'; there are 1 to 1, challenger"),
        ("models:/scenehue/2", "no version '2'"),
        ("models:/other@champion", "no version of other is registered"),
        ("models:/scenehue", "no address of a model"),
        ("models:scenehue@champion", "no address of a model"),
    ],
)
@pytest.mark.usefixtures("registered")
def test_what_is_no_model_is_explained(address, words):
    with pytest.raises(ScenehueError, match=words):
        Colorizer.load(address)


@pytest.mark.usefixtures("registered")
def test_what_was_changed_in_the_store_is_refused(tmp_path, repository):
    (graph,) = (tmp_path / "mlartifacts").rglob("registry/*/artifacts/model/model.onnx")
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(ArtifactError, match=r"model\.onnx is missing or not what was registered"):
        folder_of("models:/scenehue@challenger")
    registry = Registry.open(repository.params, repository.root)
    assert not list((tmp_path / "cache/versions").iterdir())
    graph.write_bytes(graph.read_bytes()[:-1])
    assert registry.fetch(registry.get(1)).is_dir()


@pytest.mark.usefixtures("registered")
def test_a_version_of_somebody_else_is_refused(repository, tmp_path):
    registry = Registry.open(repository.params, repository.root)
    version = registry.get(1)
    registry.client.create_model_version("scenehue", version.source, version.run_id)
    with pytest.raises(ScenehueError, match="version 2 of scenehue was not made by"):
        folder_of("models:/scenehue/2")
    (tmp_path / "cache/versions").mkdir(parents=True)
    registry.client.set_model_version_tag("scenehue", "2", FILES_TAG, "../versions")
    with pytest.raises(ScenehueError, match="version 2 of scenehue was not made by"):
        folder_of("models:/scenehue/2")


def test_without_mlflow_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("scenehue.registry.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ScenehueError, match=r"pip install 'scenehue\[track\]'"):
        loading.find_model("models:/scenehue@champion")
