"""Tags as their bytes, as TIFF files and EXIF blocks keep them (TIFF 6.0, section 2; BigTIFF).

What a tag says is not looked at, so that names in any encoding and tags that nobody knows are carried over as they are.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Collection, Mapping, Sequence
from typing import Any, BinaryIO, Literal, NamedTuple, Union

import numpy as np

EXIF, GPS, INTEROPERABILITY = 34665, 34853, 40965
POINTERS = (EXIF, GPS, INTEROPERABILITY)
"""Tags whose value is the place of a further directory."""
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value, by the number of its type."""
_UNITS = SIZES | {5: 4, 10: 4}
"""Bytes of a number; a fraction is two."""
BYTE, SHORT, LONG, RATIONAL, SIGNED_RATIONAL, LONG8 = 1, 3, 4, 5, 10, 16
INCH = 2
"""The unit of a resolution."""
LARGEST = 1 << 26
"""Bytes that the tags of a page may have together; what says that it has more would fill the memory."""


Order = Literal["<", ">"]
"""Of bytes, as for `struct`."""


class Tag(NamedTuple):
    """A tag whose value is no further directory.

    Attributes:
        kind: The number of its type, a key of `SIZES`.
        content: Its values, in the byte order of their file or block.
    """

    kind: int
    content: bytes

    @property
    def num_values(self) -> int:
        """How many values it has."""
        return len(self.content) // SIZES[self.kind]


Entry = tuple[int, int, int, bytes]
"""As stored: a tag's number, type, how many values, and these themselves or their place."""
Directory = dict[int, Union[Tag, "Directory"]]
"""Tags by their numbers; those of `POINTERS` are directories themselves."""


class Layout(NamedTuple):
    """How a file or a block stores its numbers.

    Attributes:
        order: Of bytes.
        big: Whether it is a BigTIFF.
    """

    order: Order
    big: bool = False

    @property
    def start(self) -> int:
        """Where the place of the first directory stands."""
        return 8 if self.big else 4

    @property
    def place(self) -> struct.Struct:
        """Of a place in the file."""
        return struct.Struct(self.order + ("Q" if self.big else "I"))

    @property
    def length(self) -> struct.Struct:
        """Of the number of a directory's entries."""
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def entry(self) -> struct.Struct:
        """Of a tag: its number, its type, how many values, and these themselves or their place."""
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))


def layout_of(stream: BinaryIO) -> Layout:
    """How a TIFF file or an EXIF block stores its numbers.

    Raises:
        ValueError: It is neither.
    """
    stream.seek(0)
    start = stream.read(4)
    if start[:2] not in (b"II", b"MM") or start[2:] not in (b"*\0", b"\0*", b"+\0", b"\0+"):
        raise ValueError("no TIFF file and no EXIF block")
    return Layout("<" if start.startswith(b"II") else ">", b"+" in start)


def read_tags(stream: BinaryIO, page: int = 0, without: Collection[int] = ()) -> Directory:
    """Reads the tags of a TIFF file's page, or of an EXIF block.

    Args:
        stream: The file or the block.
        page: Counted from 0.
        without: Numbers of tags that are not wanted.

    Returns:
        The tags; those that say what cannot be are left out.

    Raises:
        ValueError: The page's directory cannot be found or read, or its tags have more than `LARGEST` bytes.

    Example:
        >>> block = tag_block({271: Tag(2, b"Maker"), GPS: {1: Tag(2, b"N")}})
        >>> read_tags(io.BytesIO(block))
        {271: Tag(kind=2, content=b'Maker'), 34853: {1: Tag(kind=2, content=b'N')}}
    """
    layout = layout_of(stream)
    pointer = layout.start
    for _ in range(page + 1):
        entries, pointer = _entries(stream, layout, _place(stream, layout, pointer))
    end, room = stream.seek(0, io.SEEK_END), LARGEST

    def contents(entries: list[Entry], depth: int) -> Directory:
        nonlocal room
        directory: Directory = {}
        for number, kind, count, value in entries:
            size = count * SIZES.get(kind, 0)
            if not size or number in without or number in directory:
                continue
            (place,) = layout.place.unpack(value)
            if number in POINTERS:
                if SIZES[kind] == 4 and layout.big:
                    (place,) = struct.unpack(layout.order + "I", value[:4])
                if depth < len(POINTERS):
                    with contextlib.suppress(ValueError):
                        directory[number] = contents(_entries(stream, layout, place)[0], depth + 1)
            elif size <= len(value):
                directory[number] = Tag(kind, value[:size])
            elif place + size <= end:
                room -= size
                if room < 0:
                    raise ValueError(f"tags of more than {LARGEST >> 20} MB")
                stream.seek(place)
                directory[number] = Tag(kind, stream.read(size))
        return directory

    return contents(entries, 0)


def swapped(tags: Directory) -> Directory:
    r"""The same tags in the other order of bytes; bytes whose type nobody knows stay.

    Example:
        >>> swapped({297: Tag(SHORT, b"\0\1\0\2")})
        {297: Tag(kind=3, content=b'\x01\x00\x02\x00')}
    """
    return {
        number: swapped(tag)
        if isinstance(tag, dict)
        else Tag(tag.kind, np.frombuffer(tag.content, f"u{_UNITS[tag.kind]}").byteswap().tobytes())
        for number, tag in tags.items()
    }


def tag_block(tags: Directory, order: Order = "<") -> bytes:
    """An EXIF block of nothing but tags, from its TIFF header on.

    Args:
        tags: Their contents are in that byte order.
        order: Of all bytes.
    """
    header = b"II*\0" if order == "<" else b"MM\0*"
    return header + struct.pack(order + "I", 8) + _dumped(tags, Layout(order), 8)


def add_tags(stream: BinaryIO, changes: Mapping[int, Directory]) -> None:
    r"""Adds tags to a TIFF file or an EXIF block, in the place of those of the same numbers.

    They go behind everything else, and with them a new directory of the page, which points to them and to what the old
    one pointed to; nothing else moves.

    Args:
        stream: The file or block, opened for reading and writing.
        changes: By page, counted from 0, the tags; their contents are in the stream's byte order.

    Raises:
        ValueError: The directory of a page cannot be found or read.

    Example:
        >>> stream = io.BytesIO(tag_block({271: Tag(2, b"Maker")}))
        >>> add_tags(stream, {0: {274: Tag(3, b"\6\0")}})
        >>> read_tags(stream)
        {271: Tag(kind=2, content=b'Maker'), 274: Tag(kind=3, content=b'\x06\x00')}
    """
    layout = layout_of(stream)
    pointer = layout.start
    for page in range(max(changes) + 1):
        entries, behind = _entries(stream, layout, _place(stream, layout, pointer))
        if page in changes:
            kept = [entry for entry in entries if entry[0] not in changes[page]]
            following = 0
            with contextlib.suppress(ValueError):  # some programs leave out that there is none
                following = _place(stream, layout, behind)
            position = stream.seek(0, io.SEEK_END)
            position += stream.write(b"\0" * (position % 2))
            stream.write(_dumped(changes[page], layout, position, kept, following))
            stream.seek(pointer)
            stream.write(layout.place.pack(position))
            _, behind = _entries(stream, layout, position)
        pointer = behind


def _place(stream: BinaryIO, layout: Layout, pointer: int) -> int:
    stream.seek(pointer)
    (place,) = _unpacked(layout.place, stream)
    return int(place)


def _entries(stream: BinaryIO, layout: Layout, position: int) -> tuple[list[Entry], int]:
    """The entries of a directory, and where the place of the next one stands.

    Raises:
        ValueError: There is no directory.
    """
    stream.seek(position)
    (length,) = _unpacked(layout.length, stream)
    if not position or length > 0xFFFF:
        raise ValueError("no directory of tags where there should be one")
    entries = [_unpacked(layout.entry, stream) for _ in range(length)]
    return entries, position + layout.length.size + len(entries) * layout.entry.size


def _unpacked(form: struct.Struct, stream: BinaryIO) -> Any:
    try:
        return form.unpack(stream.read(form.size))
    except struct.error as error:
        raise ValueError("cut off in a directory of tags") from error


def _dumped(tags: Directory, layout: Layout, position: int, others: Sequence[Entry] = (), following: int = 0) -> bytes:
    """A directory as it is to stand at a position, with the contents of its tags behind it.

    Args:
        tags: Its tags.
        layout: How numbers are stored.
        position: An even one.
        others: Further entries, whose contents are elsewhere.
        following: The place of the next directory; 0 for none.
    """
    entries, contents = list(others), bytearray()
    behind = position + layout.length.size + (len(tags) + len(others)) * layout.entry.size + layout.place.size
    for number, tag in tags.items():
        place = layout.place.pack(behind + len(contents))
        if isinstance(tag, dict):
            entries.append((number, LONG8 if layout.big else LONG, 1, place))
            contents += _dumped(tag, layout, behind + len(contents))
        elif len(tag.content) <= len(place):
            entries.append((number, tag.kind, tag.num_values, tag.content.ljust(len(place), b"\0")))
        else:
            entries.append((number, tag.kind, tag.num_values, place))
            contents += tag.content
        contents += b"\0" * (len(contents) % 2)
    table = b"".join(layout.entry.pack(*entry) for entry in sorted(entries))
    return layout.length.pack(len(entries)) + table + layout.place.pack(following) + contents
