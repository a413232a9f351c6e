"""A teacher that is an exported file: what kind of file it is, what it reads and what it answers; no torch here."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kdsearch.errors import SpecError
from kdsearch.files import hash_file
from kdsearch.quoting import say_command
from kdsearch.spec.exported_file import find_manifest
from kdsearch.spec.onnx_file import begins_as_onnx, is_onnx, is_whole

if TYPE_CHECKING:
    from kdsearch.spec.distill_sections import TeacherOptions

SUFFIXES = (".pt", ".pth", ".ptl", ".ts", ".torchscript", ".onnx")
"""What a file's name ends with that ``teacher: FILE`` takes for an exported net."""
FileKind = Literal["torchscript", "onnx"]
_LARGEST_CODE = 16 << 20  # bytes of source in one file: that of the largest nets is a hundredth of it
_TOUCHES_FILES = re.compile(rb"\b(save|from_file|read_file|write_file)\b")
_EXAMPLE = "shape: [3, 32, 32], classes: 10, mean: 0.5, std: 0.5"
_NEEDED = ("shape", "classes", "mean", "std")
_LOGITS = "logits"
_LEAST_SPREAD, _MOST_SPREAD = 0.02, 0.5  # standard deviations that images can have, of pixels in 0..1


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file that answers, before it is loaded.

    ``shape``: channels, height and width; ``classes``: names in the order of its answers, or how many they are where
    the order is the task's. ``mean`` and ``std``: what it reads its pixels of 0..1 normalised by; ``data_mean`` and
    ``data_std``: what its images are like, as its manifest says, else the same where they can be an image's, else 0.5
    and 0.25. ``metrics``: the figures that its manifest has.
    """

    kind: FileKind
    sha256: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...] | int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    data_mean: tuple[float, ...]
    data_std: tuple[float, ...]
    metrics: Mapping[str, float]


def read_file_facts(named: TeacherOptions) -> FileFacts:
    """What is known of ``teacher.file``: from its manifest where kdsearch exported it, else from the study.

    Raises:
        SpecError: it is no file that can answer, not the one of ``teacher.sha256``, or something must be said of it.
        ExportError: it is not the file that the manifest beside it lists.
    """
    path = named.file
    assert path is not None
    kind = find_kind(path)
    found = hash_file(path)
    if named.sha256 not in (None, found):
        raise SpecError(
            f"{path}: is not the file of teacher.sha256 (its SHA-256 is {found}); put the right one there, or correct "
            "sha256 if you trust this one"
        )
    manifest = find_manifest(path)
    if manifest is not None:
        return _exported(path, kind, found, manifest, named)
    if missing := [key for key in _NEEDED if getattr(named, key) is None]:
        raise SpecError(
            f"{path}: has no manifest of kdsearch, so {', '.join(missing)} must be said beside it, such as teacher: "
            f"{{file: {path.name}, {_EXAMPLE}}}"
        )
    assert named.shape is not None
    assert named.classes is not None
    mean, std = (_widen(path, key, getattr(named, key), named.shape[0]) for key in ("mean", "std"))
    return FileFacts(kind, found, named.shape, named.classes, mean, std, *_data_like(mean, std), {})


def find_kind(path: Path) -> FileKind:
    """The kind of a file by what it holds; a TorchScript file is looked through, and none of it is run.

    Raises:
        SpecError: it is not there, of another kind, damaged, or does what no net has to do.
    """
    if not path.is_file():
        raise SpecError(f"{path}: is a folder; name the exported file" if path.is_dir() else f"{path}: no such file")
    if zipfile.is_zipfile(path):
        _check_script(path)
        return "torchscript"
    if is_onnx(path):
        if not is_whole(path):
            raise SpecError(
                f"{path}: has its weights in another file; export it as one, such as by torch.onnx.export(.., "
                "external_data=False)"
            )
        return "onnx"
    with path.open("rb") as file:
        begins = file.read(2)
    if not begins:
        raise SpecError(f"{path}: is empty; export it again, or copy it again")
    if begins == b"PK" or (begins_as_onnx(path) and path.suffix == ".onnx"):
        raise SpecError(f"{path}: is truncated or damaged; export it again, or copy it again")
    raise SpecError(
        f"{path}: is neither TorchScript nor ONNX; a teacher's file is what torch.jit.save or an ONNX exporter writes"
    )


def _check_script(path: Path) -> None:
    """Refuses an archive that is no TorchScript, or whose code reaches for files: it would run when it is loaded."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            code = [info for info in archive.infolist() if info.filename.endswith(".py")]
            if not code or not any(name.endswith("/constants.pkl") for name in names):
                raise _no_script(path, names)
            if sum(info.file_size for info in code) > _LARGEST_CODE:
                raise SpecError(f"{path}: holds more source than any net has; it was not loaded")
            texts = [archive.read(info) for info in code]
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, EOFError) as error:
        raise SpecError(f"{path}: is truncated or damaged ({error}); export it again, or copy it again") from None
    for text in texts:
        if found := _TOUCHES_FILES.search(text):
            raise SpecError(
                f"{path}: its code names {found[0].decode()}, which reaches for files as no net has to; it was not "
                "loaded: take a file that you trust, or export the net again without that"
            )


def _no_script(path: Path, entries: Sequence[str]) -> SpecError:
    if any(name.endswith("data.pkl") for name in entries):
        teach = say_command("teach", "--from", path, "--like", "NET", "--on", "STUDY")
        return SpecError(
            f"{path}: holds weights alone; save the net with torch.jit.save, or make a card of it (NET: what it is the "
            f"weights of): {teach}"
        )
    return SpecError(f"{path}: is an archive without a net; a teacher's file is what torch.jit.save writes")


def _exported(path: Path, kind: FileKind, sha256: str, about: Mapping[str, Any], named: TeacherOptions) -> FileFacts:
    """The facts of a file that kdsearch exported, which normalises by itself."""
    said = [key for key in _NEEDED if getattr(named, key) is not None]
    if said:
        raise SpecError(f"{path}: its manifest says its {said[0]}; leave it out beside teacher.file")
    try:
        reads, classes, meaning = about["input"], tuple(map(str, about["classes"])), about["output"]["meaning"]
        _, channels, height, width = map(int, reads["shape"])
        mean, std = (tuple(map(float, reads[key])) for key in ("mean", "std"))
        inside = bool(reads["normalised_inside"])
        metrics = {str(name): float(figure) for name, figure in about.get("metrics", {}).items()}
    except (LookupError, TypeError, ValueError, AttributeError):
        raise SpecError(f"{path}: its manifest is damaged; export it again") from None
    if meaning != _LOGITS:
        raise SpecError(f"{path}: its outputs are {meaning}, not classes; name a teacher that classifies")
    reading = ((0.0,) * channels, (1.0,) * channels) if inside else (mean, std)
    return FileFacts(kind, sha256, (channels, height, width), classes, *reading, mean, std, metrics)


def _data_like(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The numbers, unless they only scale pixels, as 0 and 1 or 0 and 1/255 do; then those of any photograph."""
    if all(0 < m < 1 for m in mean) and all(_LEAST_SPREAD <= s <= _MOST_SPREAD for s in std):
        return mean, std
    return (0.5,) * len(mean), (0.25,) * len(std)


def _widen(path: Path, key: str, numbers: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """One number a channel; a single one holds for all."""
    if len(numbers) not in (1, channels):
        raise SpecError(
            f"{path}: teacher.{key} has {len(numbers)} numbers, teacher.shape {channels} channel"
            f"{'s' * (channels > 1)}; give one, or one a channel"
        )
    return numbers * channels if len(numbers) == 1 else numbers
