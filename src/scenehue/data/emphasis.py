"""Which training photographs an epoch shows more than once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt

from scenehue.errors import ParamsError


def copies(paths: Sequence[str], emphasis: Mapping[str, int]) -> npt.NDArray[np.int64]:
    """How often each photograph is seen in an epoch.

    Args:
        paths: Of the photographs, as in the manifest.
        emphasis: Patterns, as the shell's but ``*`` matches slashes too, and how often what they match is seen; the
            first that matches counts.

    Returns:
        (N,), 1 where no pattern matches.

    Raises:
        ParamsError: A pattern matches no photograph.

    Example:
        >>> copies(["a/1.jpg", "birds/2.jpg"], {"birds/*": 3}).tolist()
        [1, 3]
    """
    counts = np.ones(len(paths), np.int64)
    matched = np.zeros(len(paths), bool)
    for pattern, count in emphasis.items():
        hits = np.array([fnmatchcase(path, pattern) for path in paths], bool)
        if not hits.any():
            raise ParamsError(f"train.emphasis: no training photograph's path matches {pattern!r}")
        counts[hits & ~matched] = count
        matched |= hits
    return counts
