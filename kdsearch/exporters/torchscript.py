"""TorchScript: a traced and frozen ``.pt`` for torch, and a ``.ptl`` for the lite interpreter of phones."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kdsearch.errors import ExportError
from kdsearch.exporters.base import Exporter, Format
from kdsearch.spec.sections import Section

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

LITE_SUFFIX = ".ptl"

# No numpy: an application may have torch alone.
_RUNTIME = """
import ctypes
import torch
{load}

def run(path, pixels, shape):
    torch.set_num_threads(1)
    net = load(path)
    images = torch.frombuffer(bytearray(pixels), dtype=torch.float32).reshape(shape)
    with torch.no_grad():
        logits = torch.cat([net(image[None]) for image in images]).float().contiguous()
    return ctypes.string_at(logits.data_ptr(), 4 * logits.numel()), logits.shape
"""
_FULL = _RUNTIME.format(load="from torch.jit import load")
_LITE = _RUNTIME.format(load="from torch.jit.mobile import _load_for_lite_interpreter as load")


class TorchScript(Exporter):
    """Writes ``model.pt`` and ``model.ptl``.

    A file holds the frozen trace. Whoever loads it may call ``torch.jit.optimize_for_inference`` on it afterwards: what
    that returns cannot be saved (the file loses the weights, silently).
    """

    class Options(Section):
        """``lite``: write the ``.ptl`` for the lite interpreter too."""

        lite: bool = True

    options: Options
    main: ClassVar[Format] = Format("torchscript", "model.pt", _FULL)
    lite: ClassVar[Format] = Format("torchscript_lite", f"model{LITE_SUFFIX}", _LITE)

    def formats(self) -> tuple[Format, ...]:
        return (self.main, self.lite) if self.options.lite else (self.main,)

    def convert(self, model: nn.Module, example_BCHW: Tensor, name: str) -> torch.jit.ScriptModule:
        from kdsearch.cost.deployed import freeze_trace

        with _told_in_a_line(name):
            return freeze_trace(model, example_BCHW)

    def write(self, converted: Any, path: Path, extra_files: Mapping[str, str]) -> None:
        import torch

        from kdsearch.cost.deployed import quiet_tracing

        with _told_in_a_line(path.name), quiet_tracing():
            if path.suffix == LITE_SUFFIX:
                content = converted._save_to_buffer_for_lite_interpreter(_extra_files=dict(extra_files))
            else:
                written = io.BytesIO()
                torch.jit.save(converted, written, _extra_files=dict(extra_files))
                content = written.getvalue()
        path.write_bytes(content)  # torch.jit's own writer ends the whole process on a full disk

    def load(self, path: Path) -> Callable[[Tensor], Tensor]:
        import torch
        from torch.jit.mobile import _load_for_lite_interpreter

        from kdsearch.cost.deployed import quiet_tracing

        with quiet_tracing():
            try:
                return (
                    _load_for_lite_interpreter(str(path)) if path.suffix == LITE_SUFFIX else torch.jit.load(str(path))
                )
            except RuntimeError as error:
                raise ExportError(
                    f"{path.name}: cannot be loaded again: {_last_line(error)}; leave torchscript out of export"
                ) from error


@contextmanager
def _told_in_a_line(name: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ExportError(
            f"{name}: torch.jit cannot write this net: {_last_line(error)}; change that, or leave torchscript out of "
            "export"
        ) from error


def _last_line(error: Exception) -> str:
    """torch.jit's errors run over many lines, the reason comes last."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001  (somebody else's error may fail to say what it is)
        lines = []
    return (lines or [type(error).__name__])[-1].strip()
