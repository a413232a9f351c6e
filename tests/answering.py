"""Exported files that know the bars, and such as cannot teach: what a study may find under ``teacher.file``."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.cost.deployed import freeze_trace, quiet_tracing
from kdsearch.exporters.base_manifest import Manifest, to_json
from kdsearch.spec.distill_sections import TeacherOptions
from tests.toys import SHAPE, bars_teacher, knowing_net

CLASSES = ("|", "-", " ")
SAID: dict[str, Any] = {"shape": SHAPE, "classes": 3, "mean": 0, "std": 1}
"""What must be said of a foreign file that knows the bars."""


def named(path: Path, **changes: Any) -> TeacherOptions:
    """The section of a study that names a foreign file."""
    return TeacherOptions(file=path, **{**SAID, **changes})


def save_script(net: Any, path: Path, images: int = 2, **texts: str) -> Path:
    """The net traced on so many images, or as it is where it is a script already."""
    with quiet_tracing():
        if not isinstance(net, torch.jit.ScriptModule):
            net = torch.jit.trace(net, torch.rand(images, *SHAPE), check_trace=False, strict=False)
        torch.jit.save(net, path, _extra_files=texts)
    return path


def manifest(**changes: Any) -> str:
    """What kdsearch writes into a file that knows the bars."""
    about = Manifest(SHAPE, (0.3,), (0.3,), CLASSES, metrics={"validation_accuracy": 1.0})
    return json.dumps({**json.loads(to_json(about.describe("torchscript", {}))), **changes})


def save_ours(path: Path, **changes: Any) -> Path:
    """A frozen file as kdsearch exports it: it reads pixels in 0..1, and its manifest is inside."""
    return save_script(
        freeze_trace(bars_teacher().net, torch.rand(1, *SHAPE)), path, **{"manifest.json": manifest(**changes)}
    )


def save_onnx(
    net: nn.Module, path: Path, *, shape: tuple[int, ...] = SHAPE, batch: int = 2, free: bool = True, **texts: str
) -> Path:
    """The net as an ONNX file, for any number of images unless ``free`` is off."""
    import onnx

    written, axes = io.BytesIO(), {"image": {0: "batch"}} if free else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.rand(batch, *shape),), written, dynamo=False, input_names=["image"], dynamic_axes=axes
        )
    model = onnx.load_from_string(written.getvalue())
    onnx.helper.set_model_props(model, texts)
    path.write_bytes(model.SerializeToString())
    return path


def save_lite(path: Path) -> Path:
    """What kdsearch exports for the lite interpreter of phones."""
    with quiet_tracing():
        frozen = freeze_trace(bars_teacher().net, torch.rand(1, *SHAPE))
        path.write_bytes(frozen._save_to_buffer_for_lite_interpreter(_extra_files={"manifest.json": manifest()}))
    return path


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> Path:
    """The archive with its source changed."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, change(content) if name.endswith(".py") else content)
    return path


class Answers(nn.Module):
    """What a net that knows the bars says, turned into something else."""

    def __init__(self, turn: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.net, self.turn = knowing_net().eval(), turn

    def forward(self, image_BCHW: Tensor) -> Any:
        return self.turn(self.net(image_BCHW), image_BCHW)
