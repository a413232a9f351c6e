"""Sections that are right by themselves and do not fit one another; no torch here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kdsearch.errors import SpecError

if TYPE_CHECKING:
    from kdsearch.spec.study_spec import StudySpec
    from kdsearch.spec.synthesis_sections import SynthesisOptions
    from kdsearch.spec.teacher_file import FileKind


def find_misfits(spec: StudySpec) -> Iterator[str]:
    """A line for every part that does not fit the others, ``key: what is wrong``."""
    strategy, finish = (_make(plugin) for plugin in (spec.strategy, spec.finish))
    try:
        strategy.check_search()
    except SpecError as error:
        yield str(error)
    yield from _data_misfits(spec)
    yield from _pruner_misfits(spec)
    yield from _teacher_misfits(spec)
    yield from _start_misfits(spec, strategy, finish)
    if spec.finish.rounds and spec.finish.options.trained_epochs is None:
        yield f"finish.finalists: {spec.finish.name} has no epochs to shorten; set it to 1"
    if spec.budget.trials < spec.limits.budgets:
        trials = f"{spec.budget.trials} trial{'s' if spec.budget.trials > 1 else ''}"
        yield f"budget.trials: {trials} cannot serve the {spec.limits.budgets} budgets of limits; raise it"


def _data_misfits(spec: StudySpec) -> Iterator[str]:
    """A line on generated images that nobody can say what they are, or that the task cannot be learned from."""
    task, named = spec.task, spec.teacher
    if not task.generated:
        return
    if task.find().agreement is None:  # type: ignore[attr-defined]  # a task has it
        yield f"task.name: {task.name} cannot be learned from a teacher's answers alone; give it images of its own"
    if not task.generates:
        return
    if named is None:
        yield "task.data: none has the images generated from a teacher; name a card, such as teacher: lenet5_mnist5k"
    elif named.net is not None:
        for key in ("shape", "classes", "mean"):
            if getattr(named, key) is None:
                yield f"teacher.{key} is missing: with task: {{data: none}} nothing else says what the module reads"


def _start_misfits(spec: StudySpec, strategy: Any, finish: Any) -> Iterator[str]:
    """A line on weights that there are none of, or that the training at the end has no use for."""
    name, start = spec.finish.name, spec.finish.start
    if finish.gives_start and name != spec.strategy.name and start is None:
        yield f"finish.name: {name} goes on from what strategy: {{name: {name}}} prepares"
    if start != "inherited":
        return
    if not strategy.gives_start:
        yield f"finish.start: strategy: {{name: {spec.strategy.name}}} leaves no weights to inherit; say scratch"
    elif not finish.takes_start:
        yield f"finish.start: {name} trains fresh weights; say finish.name: {spec.strategy.name}, or start: scratch"


def _teacher_misfits(spec: StudySpec) -> Iterator[str]:
    """A line for every section that reads inside a teacher that is a file, which only answers."""
    synthesis = _synthesis(spec)
    if synthesis is not None and synthesis.through == "student":
        yield "task.synthesis.through: there is no student yet when the images are generated; say differences"
    if spec.teacher is None or spec.teacher.file is None:
        return
    reads = {"strategy": spec.strategy.options.inside_teacher, "finish": spec.finish.options.inside_teacher}
    if synthesis is not None:
        reads["task"] = synthesis.inside_teacher
    for section, reading in reads.items():
        if reading:
            yield f"{section}: {say_closed(reading, spec.teacher.file.name)}"


def _synthesis(spec: StudySpec) -> SynthesisOptions | None:
    """How the study's images are generated; None where it has images."""
    found: SynthesisOptions | None = getattr(spec.task.options, "synthesis", None)
    return found


def say_closed(reading: Mapping[str, str], name: str) -> str:
    """That these cannot be had of a teacher that only answers, and what can."""
    instead = " and ".join(dict.fromkeys(reading.values()))
    return (
        f"{', '.join(reading)} would read inside the teacher, and {name} only answers; say {instead}, or name a "
        "teacher's card"
    )


def refuse_black_box(spec: StudySpec, kind: FileKind) -> None:
    """Raises SpecError where a teacher's file gives no gradients and somebody descends along them."""
    synthesis = _synthesis(spec)
    for section, plugin in (("strategy", spec.strategy), ("finish", spec.finish)):
        if kind == "onnx" and plugin.options.descends_teacher:
            raise SpecError(
                f"onnxruntime gives no gradients, which {section}: {plugin.name} needs; name a TorchScript file, or "
                f"say {section}.synthesis.through: student"
            )
    if kind == "onnx" and synthesis is not None and synthesis.through == "teacher":
        raise SpecError(
            "onnxruntime gives no gradients, by which task.data: none generates images; name a TorchScript file, or "
            "say task.synthesis.through: differences"
        )


def _pruner_misfits(spec: StudySpec) -> Iterator[str]:
    """A line on a pruner that is meant to stop candidates and would let every one be trained to the end."""
    options = spec.strategy.options
    epochs = options.trained_epochs
    if epochs is None or not options.trains_candidates:
        return
    first = _make(spec.pruner).first_epoch(epochs)
    if first is not None and first >= epochs:
        name = spec.pruner.name
        yield f"pruner: {name} stops no trial before epoch {first}; strategy.epochs is {epochs}, raise it or say nop"


def _make(plugin: Any) -> Any:
    return plugin.find()(plugin.options)
