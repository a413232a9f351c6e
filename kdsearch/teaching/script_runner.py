"""A TorchScript file, loaded: frozen and folded ones, those of phones' lite interpreters, and as they were traced.

B: batch, C: channels.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.jit._fuser import optimized_execution

from kdsearch.cost.deployed import quiet_tracing
from kdsearch.errors import SpecError


class Frozen(nn.Module):
    """A frozen script as a module that can be traced."""

    def __init__(self, script: Any) -> None:
        super().__init__()
        self.script = script

    def forward(self, image_BCHW: Tensor) -> Any:
        """Whatever the script gives."""
        return self.script(image_BCHW)


class ScriptRunner:
    """``content``: the file's bytes, whose hash is known. It takes any number of images, as far as one can see."""

    batch = None

    def __init__(self, content: bytes, path: Path, device: torch.device) -> None:
        self._content, self._path, self._device = content, path, device
        with quiet_tracing():
            try:
                self._script = torch.jit.load(io.BytesIO(content), map_location=device)
            except RuntimeError as error:
                raise SpecError(f"{path}: torch.jit cannot load it: {_reason(error)}") from None
        self._script.eval()
        for parameter in self._script.parameters():
            parameter.requires_grad_(False)

    @property
    def held(self) -> int:
        """The numbers in its parameters and buffers, and in what freezing made constants of its graph."""
        named = [*self._script.parameters(), *self._script.buffers()]
        return sum(tensor.numel() for tensor in (*named, *_constants(self._script.inlined_graph)))

    @property
    def frozen(self) -> Frozen:
        """The script as exporting would write it; one that is frozen already has no mode any more."""
        with quiet_tracing():
            return Frozen(torch.jit.freeze(self._script) if hasattr(self._script, "training") else self._script)

    def run(self, image_BCHW: Tensor) -> Any:
        # a profiled graph is rewritten after some calls, and may round otherwise then
        with optimized_execution(False):
            return self._script(image_BCHW)

    def move(self, device: torch.device) -> Self:
        """Loaded anew where the device is another: ``to`` leaves the constants of a frozen graph where they are."""
        return self if device == self._device else type(self)(self._content, self._path, device)


def _constants(graph: Any) -> list[Tensor]:
    """The tensors that the graph holds itself."""
    nodes = [node for node in graph.findAllNodes("prim::Constant") if str(node.output().type()) == "Tensor"]
    return [node.t("value") for node in nodes if node.hasAttribute("value")]


def _reason(error: RuntimeError) -> str:
    """The line of torch.jit's many that says what is wrong, and what that means where it is known."""
    text = str(error).strip()
    if "prepacked::" in text:
        return (
            "optimize_for_mobile has packed its weights for one processor; export the net again without it, or take "
            "the file that it was made of"
        )
    if "Unknown builtin op" in text:
        name = text.partition("Unknown builtin op: ")[2].split(".")[0].strip()
        return f"it calls {name}, which no package here brings; import what does, or export the net without it"
    return f"{text.splitlines()[-1].strip()[:160]}; export it again with this torch ({torch.__version__})"
