"""Colour for natural-scene photographs.

Example:
    >>> from scenehue import Colorizer  # doctest: +SKIP
    >>> Colorizer.load()("old.jpg").save("new.jpg")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenehue.inference.colorizer import Colorizer

__all__ = ["Colorizer"]


def __getattr__(name: str) -> Any:
    """Imports what is public when it is asked for, so that the command line starts quickly."""
    if name in __all__:
        from scenehue.inference import colorizer

        return getattr(colorizer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
