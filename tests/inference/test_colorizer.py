import json
import shutil

import numpy as np
import pytest
from PIL import Image

from inference.files import ADOBE_RGB, encoded, every_kind, exif, picture
from scenehue.errors import ArtifactError, PhotoError, ScenehueError
from scenehue.inference import loading
from scenehue.inference.card import Card
from scenehue.inference.colorizer import Colorizer
from scenehue.inference.predict import predict


@pytest.fixture
def colorizer(tinter):
    return Colorizer(tinter, tinter.card)


def test_images_paths_and_arrays_give_the_same_picture(colorizer, tinter, photo):
    image = Image.open(photo).convert("RGB")
    expected = predict(tinter, np.asarray(image))
    assert np.array_equal(np.asarray(colorizer(photo)), expected)
    assert np.array_equal(np.asarray(colorizer(str(photo))), expected)
    assert np.array_equal(np.asarray(colorizer(image)), expected)
    assert np.array_equal(colorizer(np.asarray(image)), expected)


def test_images_keep_what_they_carry(colorizer):
    image = picture().convert("LA")
    image.info |= {"exif": exif(6).tobytes(), "dpi": (300, 300)}
    result = colorizer(image)
    assert (result.mode, result.size) == ("RGBA", image.size)
    assert result.getchannel("A").tobytes() == image.getchannel("A").tobytes()
    assert result.info["dpi"] == (300, 300)
    assert result.getexif()[271] == "Maker"
    image = picture()
    image.info["icc_profile"] = ADOBE_RGB
    assert colorizer(image).info["icc_profile"] == ADOBE_RGB


def test_photographs_share_a_batch_only_where_all_scales_agree(colorizer, tinter):
    tinter.scales = (1.0, 2.0)
    photos = [
        np.full(shape, 90, np.uint8) for shape in ((64, 96), (64, 110))
    ]  # (64, 96) both, and unlike at twice that
    together = colorizer(photos)
    assert sorted(tinter.batches) == [(1, 64, 96), (1, 64, 96), (1, 128, 192), (1, 128, 224)]
    assert all(np.array_equal(one, colorizer(photo)) for one, photo in zip(together, photos, strict=True))


def test_batches_keep_their_order_and_share_predictions(colorizer, tinter):
    shapes = [(40, 60), (40, 60), (80, 120), (60, 40), (40, 60)]
    grey = [np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8) for index, shape in enumerate(shapes)]
    results = colorizer(grey, batch_size=2)
    assert [len(shape) and shape[0] for shape in tinter.batches] == [2, 1, 1, 1]
    for plane, result in zip(grey, results, strict=True):
        assert np.array_equal(result, colorizer(plane))
    assert colorizer([]) == []


def test_sixteen_bit_arrays_stay_so(colorizer):
    assert colorizer(np.full((9, 9), 40000, np.uint16)).dtype == np.uint16
    assert colorizer(np.full((9, 9, 3), 0.5)).dtype == np.uint8


@pytest.mark.parametrize(
    "what",
    [
        *(np.zeros(5), np.zeros((4, 4, 2)), np.zeros((0, 4)), np.zeros((4, 4), np.int32)),
        *(np.full((4, 4), 128.0), np.full((4, 4), np.nan), np.full((4, 4), -1.0)),
        *(Image.new("L", (0, 5)), Image.new("F", (4, 4), 255), Image.new("I", (4, 4), 70000)),
    ],
)
def test_what_is_no_photo_is_said(colorizer, what):
    with pytest.raises(ScenehueError, match="is no photo"):
        colorizer(what)


def test_saturation_and_size_reach_the_network(colorizer, tinter):
    calm, bold = (colorizer(np.full((64, 64), 128, np.uint8), saturation=s, size=96) for s in (0.1, 1.0))
    assert np.ptp(bold.astype(int), axis=-1).mean() > 3 * np.ptp(calm.astype(int), axis=-1).mean()
    assert tinter.batches[0] == (1, 96, 96)


def test_convert_keeps_the_file_and_says_losses(colorizer, tmp_path):
    (tmp_path / "a.tif").write_bytes(every_kind()["deep-alpha.tif"])
    notes = colorizer.convert(tmp_path / "a.tif", tmp_path / "out/b.jpg", quality=80)
    assert Image.open(tmp_path / "out/b.jpg").size == (48, 32)
    assert len(notes) == 2
    with pytest.raises(PhotoError, match="is there already"):
        colorizer.convert(tmp_path / "a.tif", tmp_path / "out/b.jpg")
    with pytest.raises(PhotoError, match="would replace the original"):
        colorizer.convert(tmp_path / "a.tif", tmp_path / "a.tif", overwrite=True)
    with pytest.raises(PhotoError, match=r"missing\.jpg: cannot be read: No such file"):
        colorizer.convert(tmp_path / "missing.jpg", tmp_path / "c.jpg")


def test_convert_writes_exactly_where_it_is_told(colorizer, tmp_path):
    (tmp_path / "a.bmp").write_bytes(encoded(picture(), "BMP"))
    colorizer.convert(tmp_path / "a.bmp", tmp_path / "b.bin", format="webp")
    assert Image.open(tmp_path / "b.bin").format == "WEBP"


def test_card_chooses_decoders():
    card = Card(size=64, multiple=32, decoders={"vivid": {"temperature": 0.3, "saturation": 1.2}})
    assert card.decoder().name == "vivid"
    assert card.decoder("vivid", saturation=2).saturation == 2
    assert card.decoder("vivid").temperature == 0.3
    assert Card(size=64, multiple=32).decoder().name == "reg"
    for wrong in ({"name": "loud"}, {"temperature": 0}, {"temperature": 2}, {"saturation": -1}):
        with pytest.raises(ScenehueError):
            card.decoder(**wrong)


def test_models_that_are_not_there(tmp_path, monkeypatch):
    with pytest.raises(ScenehueError, match="there is no model 'nowhere'"):
        Colorizer.load("nowhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScenehueError, match="no model registry yet"):
        Colorizer.load("models:/scenehue@champion")
    with pytest.raises(ArtifactError, match="holds neither"):
        Colorizer.load(tmp_path)
    with pytest.raises(ScenehueError, match="precision"):
        Colorizer.load(tmp_path, dtype="int4")


def test_corrupt_weights(model_folder, tmp_path):
    graph = (model_folder / "model.onnx").read_bytes()
    for name, content in (("half.onnx", graph[: len(graph) // 2]), ("text.onnx", b"not a graph")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ArtifactError, match=name):
            Colorizer.load(tmp_path / name)
    broken = tmp_path / "folder"
    shutil.copytree(model_folder, broken)
    (broken / "model.onnx").unlink()
    weights = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ArtifactError, match=r"model\.safetensors"):
        Colorizer.load(broken)
    (broken / "model.safetensors").write_bytes(weights)
    (broken / "model.json").write_text(json.dumps({"size": "large"}))
    with pytest.raises(ArtifactError, match=r"model\.json"):
        Colorizer.load(broken)


def test_addresses_are_resolved_by_other_rooms(model_folder, monkeypatch):
    monkeypatch.setitem(loading.ADDRESSES, "models", lambda address: model_folder)
    assert Colorizer.load("models:/scenehue@champion").card.size == 64


def test_torch_and_onnxruntime_agree(model_folder, photo):
    by_graph, by_torch = Colorizer.load(model_folder), Colorizer.load(model_folder, dtype="bfloat16")
    assert type(by_graph.model).__name__ == "OnnxModel"
    assert type(by_torch.model).__name__ == "TorchModel"
    for decoder in ("reg", "vivid"):
        one, other = (np.asarray(each(photo, decoder=decoder)).astype(int) for each in (by_graph, by_torch))
        assert np.abs(one - other).mean() < 2


def test_a_device_that_is_not_there(model_folder):
    with pytest.raises(ScenehueError, match="the device 'nonsense' cannot be used"):
        Colorizer.load(model_folder, device="nonsense")
