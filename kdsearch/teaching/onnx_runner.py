"""An ONNX file, run by onnxruntime on the CPU: answers without gradients.

B: batch, C: channels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.jit._trace import is_tracing

from kdsearch.errors import SpecError, first_line

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_QUIET = 3  # only errors: its warnings are about graphs that whoever exported them cannot mend here


class OnnxRunner:
    """``content``: the file's bytes, whose hash is known; ``shape``: channels, height and width of its images."""

    held = frozen = None

    def __init__(self, content: bytes, path: Path, shape: tuple[int, int, int]) -> None:
        self._session = _start(content, path)
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            named = ", ".join(each.name for each in inputs) or "none"
            raise SpecError(f"{path}: has {len(inputs)} inputs ({named}); a teacher's file reads images alone")
        self._name = inputs[0].name
        if inputs[0].type not in _TYPES:
            raise SpecError(f"{path}: reads {inputs[0].type}; export it for float32 images, normalised outside")
        self._type = _TYPES[inputs[0].type]
        self._turned, self.batch = _lay_out(path, inputs[0].shape, shape)

    def run(self, image_BCHW: Tensor) -> dict[str, Tensor]:
        if is_tracing():
            raise RuntimeError("an ONNX file is run by onnxruntime, not by torch")
        image = image_BCHW.permute(0, 2, 3, 1) if self._turned else image_BCHW
        given = np.ascontiguousarray(image.detach().cpu().numpy(), dtype=self._type)
        answers = self._session.run(None, {self._name: given})
        names = (each.name for each in self._session.get_outputs())
        return {
            name: torch.tensor(answer, device=image_BCHW.device)
            for name, answer in zip(names, answers, strict=True)
            if isinstance(answer, np.ndarray) and np.issubdtype(answer.dtype, np.floating)
        }

    def move(self, device: torch.device) -> Self:  # noqa: ARG002
        """Itself: it runs on the CPU, and its answers go where the images came from."""
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self


def _start(content: bytes, path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise SpecError(f"{path}: onnxruntime is not installed: in the checkout, pip install -e '.[onnx]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    options.log_severity_level, options.use_deterministic_compute = _QUIET, True
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - its errors have no common base
        raise SpecError(f"{path}: onnxruntime cannot load it: {first_line(error)}; export it again") from None


def _lay_out(path: Path, found: list[Any], shape: tuple[int, int, int]) -> tuple[bool, int | None]:
    """Whether channels come last, and how many images it takes at once; None: any number."""
    channels, height, width = shape
    batch = found[0] if found and isinstance(found[0], int) and found[0] > 0 else None
    for turned, wanted in ((False, shape), (True, (height, width, channels))):
        if len(found) == 4 and all(not isinstance(f, int) or f == w for f, w in zip(found[1:], wanted, strict=True)):
            return turned, batch
    said = "x".join(str(length) for length in found[1:]) or "nothing"
    raise SpecError(
        f"{path}: reads {said} for an image, not {channels}x{height}x{width}; correct teacher.shape (channels, height, "
        "width), or name a file that reads images"
    )
