"""The file formats that results can be written in, and what each can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from scenehue.errors import ScenehueError


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes:
        name: As the user writes it.
        suffixes: File name endings, the usual one first.
        alpha: It holds transparency.
        deep: It holds 16 bits a channel.
        pages: It holds several pages.
        max_side: Longest side in pixels.
    """

    name: str
    suffixes: tuple[str, ...]
    alpha: bool = True
    deep: bool = False
    pages: bool = False
    max_side: int = 2**31 - 1

    @property
    def pillow_names(self) -> tuple[str, ...]:
        """What Pillow calls it."""
        return {"heic": ("HEIF",), "jpeg": ("JPEG", "MPO")}.get(self.name, (self.name.upper(),))


JPEG = Format("jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), alpha=False, max_side=65500)
PNG = Format("png", (".png",), deep=True)
TIFF = Format("tiff", (".tif", ".tiff"), deep=True, pages=True)
WEBP = Format("webp", (".webp",), max_side=16383)
AVIF = Format("avif", (".avif",), max_side=65535)
HEIC = Format("heic", (".heic", ".heif", ".hif"), max_side=16384)
FORMATS = {format.name: format for format in (JPEG, PNG, TIFF, WEBP, AVIF, HEIC)}

PHOTO_SUFFIXES = frozenset(suffix for format in FORMATS.values() for suffix in format.suffixes) | {
    *(".bmp", ".gif", ".pnm", ".pgm", ".ppm", ".pbm"),  # read only; written as PNG
}
"""Files with these endings are taken from folders; what a file really is, its content says."""


def format_named(name: str) -> Format:
    """The format that a user names: ``jpeg``, ``.jpg``, ``TIF``.

    Raises:
        ScenehueError: There is no such format.

    Example:
        >>> format_named("JPG").name
        'jpeg'
    """
    wanted = name.lower().lstrip(".")
    for format in FORMATS.values():
        if wanted == format.name or f".{wanted}" in format.suffixes:
            return format
    raise ScenehueError(f"there is no format {name!r}; choose one of {', '.join(FORMATS)}")


def format_of_path(path: str | PurePath) -> Format | None:
    """The format that a file name's ending stands for; None when it stands for none.

    Example:
        >>> format_of_path("scan.TIFF").name
        'tiff'
    """
    suffix = PurePath(path).suffix.lower()
    return next((format for format in FORMATS.values() if suffix in format.suffixes), None)
