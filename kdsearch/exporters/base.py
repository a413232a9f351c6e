"""Files for other runtimes, each proved in a fresh process before it gets its name; torch only inside functions."""

from __future__ import annotations

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kdsearch.errors import ExportError
from kdsearch.exporters.base_fresh import Answer, Job, run_fresh
from kdsearch.exporters.base_manifest import Manifest, parse_manifest, to_json
from kdsearch.files import hash_file
from kdsearch.spec.exported_file import MANIFEST
from kdsearch.spec.sections import Section

if TYPE_CHECKING:
    from torch import Tensor, nn

TOLERANCE = 1e-4  # times max(1, largest reference logit); float32 back ends stay below a tenth of it


@dataclass(frozen=True, slots=True)
class Format:
    """One file that an exporter writes: its name in summaries, its file name, and how to run it with no kdsearch.

    ``runtime`` is Python source that defines ``run(path, pixels, shape)``: raw float32 images in, raw float32 logits
    and the shape of all of them out, one image at a time. It may import its runtime and nothing of this package.
    """

    name: str
    file_name: str
    runtime: str


@dataclass(frozen=True, slots=True)
class Exported:
    """Files that passed: format to path, and format to the largest absolute difference from the eager net."""

    files: Mapping[str, Path]
    parity: Mapping[str, float]


class Exporter(ABC):
    """How a net becomes files of one runtime; a plug-in imports torch inside its methods."""

    Options: ClassVar[type[Section]] = Section

    def __init__(self, options: Section) -> None:
        self.options = options

    @abstractmethod
    def formats(self) -> tuple[Format, ...]:
        """The files to write, the main one first."""

    def convert(self, model: nn.Module, example_BCHW: Tensor, name: str) -> Any:  # noqa: ARG002
        """What ``write`` writes, made once for all formats of a net; ``name`` is for messages. Here the net itself."""
        return model

    @abstractmethod
    def write(self, converted: Any, path: Path, extra_files: Mapping[str, str]) -> None:
        """Writes the format whose file name ``path`` bears, with the extra texts inside under their names."""

    @abstractmethod
    def load(self, path: Path) -> Callable[[Tensor], Tensor]:
        """What an application would call after loading the file."""


def export_student(
    model: nn.Module, pixels_BCHW: Tensor, *, exporter: Exporter, folder: str | Path, manifest: Manifest
) -> Exported:
    """The student's files in ``folder`` with a manifest beside them, and how far they are from the eager net.

    Each file is written in a hidden folder, loaded in a fresh process that has no kdsearch, run on ``pixels_BCHW``
    (real test images in 0..1) one image at a time, and renamed in only if its logits agree. Blocks that can be one
    layer are written as one (``kdsearch.cost.fusing``), and compared with the net before that. The manifest inside a
    file is the one beside it less ``sha256`` and ``files``, which cannot be known before the file is complete.

    Raises:
        ExportError: a file cannot be written, loaded or run, or differs too much; nothing of it is left.
    """
    import torch

    from kdsearch.cost.deployed import Deployed
    from kdsearch.cost.fusing import fuse_blocks

    folder = Path(folder)
    if len(pixels_BCHW) == 0:
        raise ExportError(f"{folder}: no image to compare the exported net on; give some of the test part")
    deployed = Deployed(model, manifest.mean, manifest.std)
    hidden = _make_hidden(folder)
    try:
        pixels_BCHW = pixels_BCHW.detach().to("cpu", torch.float32).contiguous()
        with torch.no_grad():
            reference_BK = deployed(pixels_BCHW)
        fused, _ = fuse_blocks(deployed, pixels_BCHW[:1])
        converted = exporter.convert(fused, pixels_BCHW[:1], exporter.formats()[0].file_name)
        case = _Case(exporter, converted, pixels_BCHW, reference_BK, hidden)
        inside = case.write(manifest, {}).compare_here()
        parity = case.write(manifest, inside).compare_fresh()
        return _move_in(exporter, hidden, manifest, parity)
    except OSError as error:
        raise ExportError(
            f"{folder}: the export was not written: {error.strerror or error}; free some space, or name another folder"
        ) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _make_hidden(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=folder, prefix=".export-"))
    except OSError as error:
        raise ExportError(
            f"{folder}: no folder to export to: {(error.strerror or str(error)).lower()}; name another"
        ) from None


@dataclass(frozen=True, slots=True)
class _Case:
    """One export under way in a hidden folder."""

    exporter: Exporter
    converted: Any
    pixels_BCHW: Tensor
    reference_BK: Tensor
    hidden: Path

    def write(self, manifest: Manifest, parity: Mapping[str, float]) -> _Case:
        for form in self.exporter.formats():
            path = self.hidden / form.file_name
            about = to_json(manifest.describe(form.name, parity))
            self.exporter.write(self.converted, path, {MANIFEST: about})
        return self

    def compare_here(self) -> dict[str, float]:
        import torch

        gaps = {}
        for form in self.exporter.formats():
            run = self.exporter.load(self.hidden / form.file_name)
            with torch.no_grad():
                answers = [run(pixels_CHW[None]) for pixels_CHW in self.pixels_BCHW]
            self._check_shape(form, answers)
            gaps[form.name] = self._accept(form, torch.cat(answers))
        return gaps

    def _check_shape(self, form: Format, answers: Sequence[Tensor]) -> None:
        """Refuses logits of another shape: in a row their numbers would pass for the right ones."""
        wanted = (1, *self.reference_BK.shape[1:])
        wrong = next((tuple(logits.shape) for logits in answers if tuple(logits.shape) != wanted), None)
        if wrong is not None:
            path = self.hidden.parent / form.file_name
            raise ExportError(
                f"{path}: gives logits of shape {wrong} for an image, the net {wanted}; not written, use another format"
            )

    def compare_fresh(self) -> dict[str, float]:
        import torch

        forms = self.exporter.formats()
        jobs = [Job(self.hidden / form.file_name, form.runtime) for form in forms]
        raw = self.pixels_BCHW.numpy().tobytes()
        answers = run_fresh(jobs, raw, self.pixels_BCHW.shape)
        return {
            form.name: self._accept(form, self._shaped(form, answer, torch.tensor(answer.logits, dtype=torch.float32)))
            for form, answer in zip(forms, answers, strict=True)
        }

    def _shaped(self, form: Format, answer: Answer, logits: Tensor) -> Tensor:
        """The logits as the file shaped them: turned, the same numbers lie elsewhere."""
        wanted, path = tuple(self.reference_BK.shape), self.hidden.parent / form.file_name
        if logits.numel() != self.reference_BK.numel():
            count = self.reference_BK.numel()
            raise ExportError(
                f"{path}: gives {logits.numel()} logits where the net gives {count}; not written, use another format"
            )
        if answer.shape != wanted:
            raise ExportError(
                f"{path}: gives logits of shape {answer.shape}, the net {wanted}; not written, use another format"
            )
        return logits.reshape(wanted)

    def _accept(self, form: Format, logits: Tensor) -> float:
        return _accept(self.hidden.parent / form.file_name, self.reference_BK, logits)


def _accept(path: Path, reference: Tensor, logits: Tensor) -> float:
    """The largest absolute difference, if it is within the tolerance."""
    assert reference.shape == logits.shape, "shapes are compared before numbers"
    gap = float((reference - logits).abs().max())
    allowed = TOLERANCE * max(1.0, float(reference.abs().max()))
    if not gap <= allowed:  # so written, a gap that is not a number is refused too
        raise ExportError(f"{path}: differs from the net by {gap:.3g} (at most {allowed:.3g} allowed); not written")
    return gap


def _move_in(exporter: Exporter, hidden: Path, manifest: Manifest, parity: Mapping[str, float]) -> Exported:
    """Gives the proved files their names, then puts the manifest beside them."""
    folder = hidden.parent
    forms = exporter.formats()
    files = {form.name: folder / form.file_name for form in forms}
    listed = _list_others(folder, set(files))
    for form in forms:
        written = hidden / form.file_name
        about = {"path": form.file_name, "sha256": hash_file(written), "size_bytes": written.stat().st_size}
        listed[form.name] = {**about, "parity": parity[form.name]}
        _replace_synced(written, files[form.name])
    main = next(iter(listed))
    described = manifest.describe(main, {name: about["parity"] for name, about in listed.items() if "parity" in about})
    described |= {"sha256": listed[main]["sha256"], "files": listed}
    beside = hidden / MANIFEST
    beside.write_text(to_json(described), encoding="utf-8")
    _replace_synced(beside, folder / MANIFEST)
    return Exported(files, dict(parity))


def _list_others(folder: Path, names: set[str]) -> dict[str, dict[str, Any]]:
    """What the manifest in the folder says of other exporters' files, so that several exporters share one manifest."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        listed = parse_manifest(path)["files"]
    except ExportError:
        raise ExportError(f"{path}: is no manifest of kdsearch; move it, or export to another folder") from None
    return {name: {**about} for name, about in listed.items() if name not in names}


def _replace_synced(written: Path, target: Path) -> None:
    with written.open("rb") as file:
        os.fsync(file.fileno())
    written.replace(target)
