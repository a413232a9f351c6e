"""From an exported file to a teacher that only answers: it is tried on images of noise before anything long runs.

B: batch, C: classes for logits, channels for images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kdsearch.data.augment import normalise
from kdsearch.errors import SpecError
from kdsearch.models.main_output import Path as Place
from kdsearch.models.main_output import find_outputs
from kdsearch.spec.teacher_file import FileFacts, read_file_facts
from kdsearch.tasks.base import Task
from kdsearch.teaching.file_net import FileNet, Reading, Runner
from kdsearch.teaching.teachers import Gives, Teacher, match_classes, match_shape
from kdsearch.tracing.tracer import FOREIGN_ERRORS

if TYPE_CHECKING:
    from kdsearch.spec.distill_sections import TeacherOptions

_TRIED = 3
_CLOSE = 1e-3
_ALIKE = 1e-4  # how close to 1 the probabilities of an image add up


def load_file_teacher(named: TeacherOptions, task: Task, device: torch.device) -> Teacher:
    """The teacher that ``teacher.file`` is, for a task: its answers alone, and their gradients if it has any.

    Raises:
        SpecError: it cannot be loaded, does not fit the task, or its answers are none.
        ExportError: it is not the file that the manifest beside it lists.
    """
    facts, path = read_file_facts(named), named.file
    assert path is not None
    who = f"teacher: {path}"
    match_shape(facts.shape, task, str(path))
    columns = match_classes(facts.classes, task, str(path))
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != facts.sha256:
        raise SpecError(f"{who} was written while it was read; start again")
    net = _try(_load(content, path, facts, device), facts, named.outputs, who).to(device)
    made_of = f"{facts.kind}, {named.outputs}, of pixels by {facts.mean} and {facts.std}"
    gives: Gives = "gradients" if _has_gradients(net, facts) else "logits"
    net.queries = 0  # what it was tried on is nobody's question
    return Teacher(
        net,
        path.name,
        facts.sha256,
        facts.data_mean,
        facts.data_std,
        task.classes,
        columns,
        made_of,
        gives,
    )


def _load(content: bytes, path: Path, facts: FileFacts, device: torch.device) -> Runner:
    if facts.kind == "onnx":
        from kdsearch.teaching.onnx_runner import OnnxRunner

        return OnnxRunner(content, path, facts.shape)
    from kdsearch.teaching.script_runner import ScriptRunner

    return ScriptRunner(content, path, device)


def _try(runner: Runner, facts: FileFacts, outputs: str, who: str) -> FileNet:
    """The net that reads the file's answers as they come.

    Raises:
        SpecError: it cannot read such images, or what it says of one is nothing that a student could learn.
    """
    image_BCHW = _noise(facts)
    count = facts.classes if isinstance(facts.classes, int) else len(facts.classes)
    size = runner.batch or 1
    place = _find_logits(_run(runner, image_BCHW[:1].expand(size, -1, -1, -1), who), size, count, who)
    one = Reading(size, place)
    answer_BC = _answer(FileNet(runner, one), image_BCHW, who)
    _check_answers(answer_BC, _answer(FileNet(runner, one), image_BCHW, who), outputs, who)
    several = FileNet(runner, Reading(None, place))
    any_number = runner.batch is None and _takes_several(several, image_BCHW, answer_BC, who)
    return FileNet(runner, Reading(None if any_number else size, place, outputs, *_rescale(facts)))


def _rescale(facts: FileFacts) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What makes images as the file reads them of such as are normalised by what its data are like: scale, shift."""
    pairs = list(zip(facts.data_mean, facts.data_std, facts.mean, facts.std, strict=True))
    return tuple(spread / std for _, spread, _, std in pairs), tuple((middle - m) / std for middle, _, m, std in pairs)


def _noise(facts: FileFacts) -> Tensor:
    """Images that nobody has to provide, as the file reads them; each is brighter than the one before."""
    generator = torch.Generator().manual_seed(0)
    brightness = torch.tensor([0.3, 0.6, 1.0]).reshape(_TRIED, 1, 1, 1)
    pixels = torch.randint(256, (_TRIED, *facts.shape), generator=generator) * brightness
    return normalise(pixels, facts.mean, facts.std)


def _run(runner: Runner, image_BCHW: Tensor, who: str) -> Any:
    try:
        with torch.no_grad():
            return runner.run(image_BCHW)
    except FOREIGN_ERRORS as error:
        shape = "x".join(str(length) for length in image_BCHW.shape[1:])
        raise SpecError(
            f"{who} cannot read {len(image_BCHW)} float32 image{'s' * (len(image_BCHW) > 1)} of {shape}: "
            f"{_last_line(error)}; correct teacher.shape, or export it for batches of any size"
        ) from None


def _answer(net: FileNet, image_BCHW: Tensor, who: str) -> Tensor:
    with torch.no_grad():
        try:
            return net(image_BCHW)
        except FOREIGN_ERRORS as error:
            raise SpecError(f"{who} fails on some images: {_last_line(error)}; export it again") from None


def _last_line(error: BaseException) -> str:
    """torch.jit's errors run over many lines, the reason comes last."""
    lines = str(error).strip().splitlines()
    return (lines or [type(error).__name__])[-1].strip()[:200]


def _find_logits(output: Any, images: int, num_classes: int, who: str) -> Place:
    """Where in an output the logits are."""
    found = find_outputs(output)
    fitting = [place for place, tensor in found.items() if _is_rows(tensor, images, num_classes)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        named = ", ".join(str(part) for place in fitting for part in place)
        raise SpecError(
            f"{who} gives {len(fitting)} outputs of {num_classes} columns ({named}); export it with its logits alone"
        )
    raise SpecError(
        f"{who} gives {_say_shapes(found)} for {images} image{'s' * (images > 1)}, not a column for each of "
        f"{num_classes} classes; correct teacher.classes, or name a file that classifies"
    )


def _is_rows(tensor: Tensor, images: int, num_classes: int) -> bool:
    """Whether there is a row an image and a column a class; a map of one pixel counts as a column."""
    return tensor.ndim >= 2 and tuple(tensor.shape[:2]) == (images, num_classes) and tensor[0, 0].numel() == 1


def _say_shapes(found: Mapping[Place, Tensor]) -> str:
    return ", ".join(str(tuple(tensor.shape)) for tensor in list(found.values())[:3]) or "no tensor"


def _check_answers(answer_BC: Tensor, again_BC: Tensor, outputs: str, who: str) -> None:
    if not bool(answer_BC.isfinite().all()):
        raise SpecError(f"{who} answers nan or infinity; correct teacher.mean and teacher.std, or name another file")
    if not torch.equal(answer_BC, again_BC):
        raise SpecError(f"{who} answers the same image in two ways (dropout?); export it after net.eval()")
    sums_B = answer_BC.sum(1)
    chances = bool((answer_BC >= 0).all()) and bool(((sums_B - 1).abs() < _ALIKE).all())
    if chances and outputs == "logits":
        raise SpecError(f"{who} gives probabilities (each row adds up to 1); say teacher.outputs: probabilities")
    if not chances and outputs == "probabilities":
        raise SpecError(
            f"{who} gives no probabilities (a row adds up to {float(sums_B[0]):.3g}); leave teacher.outputs out"
        )


def _takes_several(net: FileNet, image_BCHW: Tensor, single_BC: Tensor, who: str) -> bool:
    """Whether several images at once are answered as each alone; False where the file takes one image only."""
    try:
        with torch.no_grad():
            answer_BC = net(image_BCHW)
    except (*FOREIGN_ERRORS, KeyError):
        return False
    if answer_BC.shape != single_BC.shape:
        return False
    if float((answer_BC - single_BC).abs().max()) > _CLOSE * max(1.0, float(single_BC.abs().max())):
        raise SpecError(
            f"{who} answers an image otherwise beside others (batch norms in training?); export it after net.eval()"
        )
    return True


def _has_gradients(net: FileNet, facts: FileFacts) -> bool:
    """Whether gradients of the logits reach the images, all finite and not all of them 0."""
    image_BCHW = _noise(facts).to(net.here.device).requires_grad_()
    try:
        logits_BC = net(image_BCHW)
        if not logits_BC.requires_grad:
            return False
        (gradient_BCHW,) = torch.autograd.grad(logits_BC.square().sum(), image_BCHW)
    except FOREIGN_ERRORS:
        return False
    return bool(gradient_BCHW.isfinite().all()) and bool(gradient_BCHW.any())
