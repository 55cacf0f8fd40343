"""The public colorizer: three lines of Python from a photograph to a coloured one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from scenehue.errors import PhotoError, ScenehueError
from scenehue.inference.batch import Batch, Existing
from scenehue.inference.card import Card
from scenehue.inference.colored_page import ColoredPage, with_alpha
from scenehue.inference.convert import Settings, finish_page, open_source
from scenehue.inference.formats import format_named
from scenehue.inference.items import Item
from scenehue.inference.loading import RELEASED, load_model
from scenehue.inference.model import ChromaModel, Decoder
from scenehue.inference.page import Page, page_of, pillow_pixels
from scenehue.inference.photo_file import MAX_MEGAPIXELS
from scenehue.inference.predict import chroma_fields, photo_lightness, working_shapes
from scenehue.inference.sinks import FolderSink
from scenehue.inference.spaces import Float32

PathLike = str | os.PathLike[str]


class Colorizer:
    """Colours black-and-white photographs.

    Chroma is predicted at a small working size and brought to the photograph's own along its edges; the photograph's
    lightness is kept at every pixel. Colours that a photograph has already are ignored.

    Args:
        model: The network.
        card: Its card.
    """

    def __init__(self, model: ChromaModel, card: Card) -> None:
        self.model = model
        self.card = card

    @classmethod
    def load(
        cls, model: PathLike = RELEASED, *, device: str = "auto", dtype: str = "float32", threads: int | None = None
    ) -> Colorizer:
        """Loads a model.

        Args:
            model: ``released``, the folder of a checkpoint, an exported ``.onnx`` file, or an address such as
                ``models:/scenehue@champion`` where a registry is at hand.
            device: ``auto`` takes a GPU if there is one and torch is installed; else ``cpu``, ``cuda``, ``cuda:1``,
                ``mps``.
            dtype: Precision inside the network: ``float32``, ``bfloat16`` or ``float16``; the latter two need torch.
            threads: Of one prediction on a CPU; as many as there are cores without a number.

        Returns:
            The colorizer. On a CPU it runs by onnxruntime, without torch, wherever the model has been exported.

        Raises:
            ScenehueError: There is no such model, device or precision, or a package is missing for it.
            ArtifactError: The model's files are missing or corrupt.

        Example:
            >>> colorizer = Colorizer.load()  # doctest: +SKIP
            >>> colorizer("old.jpg").save("new.jpg")  # doctest: +SKIP
        """
        return cls(*load_model(model, device, dtype, threads))

    def decoder(
        self, name: str | None = None, saturation: float | None = None, temperature: float | None = None
    ) -> Decoder:
        """A way of decoding, with the values that the model's card has for it; see `Card.decoder`."""
        return self.card.decoder(name, temperature, saturation)

    def __call__(
        self,
        photo: Any,
        *,
        decoder: str | None = None,
        saturation: float | None = None,
        temperature: float | None = None,
        size: int | None = None,
        batch_size: int = 8,
    ) -> Any:
        """Colours one photograph, or several.

        Args:
            photo: A PIL image, a path (of several pages the first counts), or an array: (H, W) or (H, W, 3) sRGB, uint8
                or uint16 over their whole range or floats in 0..1; or a sequence of such.
            decoder: ``reg`` (the safest), ``mode``, ``mean``, ``annealed``, or ``vivid`` (the most colourful without
                being wrong more often); without one, ``vivid`` if the model's card has values for it, else ``reg``.
            saturation: Factor on all chroma; 1 is the network's own.
            temperature: Of ``annealed`` and ``vivid``: 1 is the mean of the colours that the network considers, towards
                0 the likeliest.
            size: Working size: the short side, in pixels, at which the network sees the photograph; without one, the
                size it was trained for. Larger ones give finer colours and cost more time.
            batch_size: Photographs of a sequence that go through the network together when their sizes allow it.

        Returns:
            For an image or a path a PIL image with 8 bits a channel that keeps transparency, EXIF, ICC profile and
            resolution; for an array an (H, W, 3) array, uint16 for uint16, else uint8; for a sequence a list.

        Raises:
            PhotoError: A file is damaged or of a kind that cannot be coloured.
            ScenehueError: There is no such decoder, a value is out of its range, or something else is no photo.
        """
        way = self.decoder(decoder, saturation, temperature)
        if isinstance(photo, list | tuple):
            return self._several(photo, Settings(size, way), max(1, batch_size))
        (result,) = self._several([photo], Settings(size, way), 1)
        return result

    def convert(
        self,
        source: PathLike,
        target: PathLike,
        *,
        decoder: str | None = None,
        saturation: float | None = None,
        temperature: float | None = None,
        size: int | None = None,
        format: str | None = None,
        quality: int | None = None,
        max_megapixels: float = MAX_MEGAPIXELS,
        overwrite: bool = False,
    ) -> list[str]:
        """Colours a file into a file, keeping all that the original carries: 16 bits and several pages too.

        Args:
            source: The original.
            target: The result; its ending says its format.
            decoder: As in a call.
            saturation: As in a call.
            temperature: As in a call.
            size: As in a call.
            format: ``jpeg``, ``png``, ``tiff``, ``webp``, ``avif`` or ``heic``, whatever the target's ending.
            quality: 1 to 100, of lossy formats.
            max_megapixels: A bigger photo is refused.
            overwrite: An existing target is replaced; the original never is.

        Returns:
            Sentences on what the target's format cannot hold.

        Raises:
            PhotoError: The original cannot be read, or the target cannot be written.
            ScenehueError: There is no such decoder or format.
        """
        way = self.decoder(decoder, saturation, temperature)
        settings = Settings(size, way, format_named(format) if format else None, quality, max_megapixels)
        target = Path(target)
        batch = Batch(self.model, FolderSink(target.parent), settings, Existing(overwrite=overwrite))
        result = batch.one(Item(os.fspath(source), PurePosixPath(target.name), exact=True))
        if result.status == "failed":
            raise PhotoError(os.fspath(source), result.reason)
        return result.notes

    def _several(self, photos: Sequence[Any], settings: Settings, batch_size: int) -> list[Any]:
        results: list[Any] = []
        waiting: list[tuple[_Loaded, Float32]] = []

        def colour_waiting() -> None:
            planes = [lightness for _, lightness in waiting]
            turns = [loaded.page.orientation for loaded, _ in waiting]
            fields = chroma_fields(self.model, planes, settings.size, settings.decoder, turns) if waiting else []
            for (loaded, lightness), field in zip(waiting, fields, strict=True):
                results.append(loaded.finish(finish_page(loaded.page, lightness, field, loaded.deep)))
            waiting.clear()

        shapes = None
        for photo in photos:
            loaded = _load(photo, settings)
            lightness = photo_lightness(loaded.page.pixels, loaded.page.space)
            turned_shape = lightness.shape[:: -1 if loaded.page.orientation > 4 else 1]
            own_shapes = working_shapes(turned_shape[0], turned_shape[1], self.model, settings.size)
            if own_shapes != shapes or len(waiting) == batch_size:
                colour_waiting()
            shapes = own_shapes
            waiting.append((loaded, lightness))
        colour_waiting()
        return results


_OVERSHOOT = 0.1
"""How far beyond 0..1 floats may lie, as those of a resized picture do."""


@dataclass
class _Loaded:
    """A photograph to be coloured, and what to make of the result."""

    page: Page
    deep: bool
    finish: Callable[[ColoredPage], Any]


def _load(photo: Any, settings: Settings) -> _Loaded:
    if isinstance(photo, Image.Image):
        info: dict[str, Any] = {
            key: photo.info[key] for key in ("exif", "icc_profile", "dpi", "xmp") if key in photo.info
        }
        try:
            pixels, alpha, profile = pillow_pixels(photo, photo.info.get("icc_profile"))
        except ValueError as error:
            raise ScenehueError(f"an image of mode {photo.mode} is no photo: {error}") from error
        if not pixels.size:
            raise ScenehueError(f"an image of {photo.width} x {photo.height} pixels is no photo")
        number = photo.getexif().get(ExifTags.Base.Orientation, 1)
        return _Loaded(page_of(pixels, alpha, number if number in range(1, 9) else 1, profile), False, _to_image(info))
    if isinstance(photo, str | os.PathLike):
        with Item(os.fspath(photo), PurePosixPath()).opened() as stream:
            opened = open_source(stream, os.fspath(photo), settings)
            page = next(opened.pages())
        exif = b"Exif\0\0" + opened.metadata.exif if opened.metadata.exif else None
        info = {"exif": exif, "dpi": opened.metadata.dpi, "xmp": opened.metadata.xmp}
        return _Loaded(page, False, _to_image({key: value for key, value in info.items() if value}))
    pixels = np.asarray(photo)
    if pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)) or pixels.size == 0:
        raise ScenehueError(f"an array of shape {pixels.shape} is no photo; (H, W) and (H, W, 3) are")
    if pixels.dtype not in (np.uint8, np.uint16) and not np.issubdtype(pixels.dtype, np.floating):
        raise ScenehueError(f"an array of {pixels.dtype} is no photo; uint8, uint16, and floats in 0..1 are")
    if pixels.dtype.kind == "f" and not (pixels.min() >= -_OVERSHOOT and pixels.max() <= 1 + _OVERSHOOT):
        span = f"{pixels.min():g} to {pixels.max():g}"
        raise ScenehueError(f"an array of floats from {span} is no photo; floats are in 0..1")
    return _Loaded(page_of(pixels), True, lambda colored: colored.pixels)


def _to_image(info: dict[str, Any]) -> Callable[[ColoredPage], Image.Image]:
    def finish(colored: ColoredPage) -> Image.Image:
        image = Image.fromarray(with_alpha(colored))
        image.info.update(info)
        if colored.profile:
            image.info["icc_profile"] = colored.profile
        return image

    return finish
