"""The outermost fields of an ONNX file, read without any package: whether it is whole, and the texts that it carries.

ONNX is a protobuf message: fields one after the other, each with a key of its number and kind, most with a length.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

_VERSION, _GRAPH, _TEXTS = 1, 7, 14  # ir_version, graph and metadata_props of ModelProto
_WEIGHTS, _LIES, _ELSEWHERE = 5, 14, 1  # initializer of GraphProto, data_location of TensorProto, EXTERNAL
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10

Buffer = bytes | mmap.mmap


def is_onnx(path: Path) -> bool:
    """Whether the file is an ONNX model from its first to its last byte, as far as the outermost fields tell."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            numbers = [number for number, _, _ in _fields(content)]
    except ValueError:  # an empty file cannot be mapped, a truncated one has no whole fields
        return False
    return _VERSION in numbers and numbers.count(_GRAPH) == 1


def begins_as_onnx(path: Path) -> bool:
    """Whether the first field is an ONNX model's version, whatever follows."""
    with path.open("rb") as file:
        start = file.read(2)
    return len(start) == 2 and start[0] == _VERSION << 3 | _VARINT and 1 <= start[1] < 64


def is_whole(path: Path) -> bool:
    """Whether all weights of an ONNX model are inside the file; exporters may put them into another beside it."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        graphs = ((start, end) for number, start, end in _fields(content) if number == _GRAPH)
        weights = (place for graph in graphs for number, *place in _fields(content, *graph) if number == _WEIGHTS)
        lies = (content[start] for place in weights for number, start, _ in _fields(content, *place) if number == _LIES)
        return _ELSEWHERE not in lies


def read_texts(path: Path) -> dict[str, str]:
    """The texts that whoever wrote the model put beside it, by their names.

    Raises:
        ValueError: it is no whole ONNX file.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        pairs = [content[start:end] for number, start, end in _fields(content) if number == _TEXTS]
    texts = ({number: pair[start:end].decode() for number, start, end in _fields(pair)} for pair in pairs)
    return {text.get(1, ""): text.get(2, "") for text in texts}


def _fields(content: Buffer, at: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """(number, start, end) of each field's content, from ``at`` to ``end``, by default that of all.

    Raises:
        ValueError: the content does not end where a field ends.
    """
    end = len(content) if end is None else end
    while at < end:
        key, at = _varint(content, at)
        length, start = _length(content, at, key & 7)
        at = start + length
        if at > end:
            raise ValueError("it ends within a field")
        yield key >> 3, start, at


def _length(content: Buffer, at: int, kind: int) -> tuple[int, int]:
    """The length of a field of this kind, and where it begins."""
    if kind == _BYTES:
        return _varint(content, at)
    if kind == _VARINT:
        return _varint(content, at)[1] - at, at
    if kind in (_FIXED64, _FIXED32):
        return (8 if kind == _FIXED64 else 4), at
    raise ValueError(f"no field is of kind {kind}")


def _varint(content: Buffer, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    number = 0
    for place in range(_LONGEST_VARINT):
        if at + place >= len(content):
            break
        byte = content[at + place]
        number |= (byte & 127) << 7 * place
        if byte < 128:
            return number, at + place + 1
    raise ValueError("it ends within a number")
