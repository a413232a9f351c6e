"""The nets that a study starts from, as they are: a student that came trained, and the teacher."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import Tensor, nn

from kdsearch.cost.flops import count_costs, count_macs
from kdsearch.costs import CLOSED_FORMS
from kdsearch.errors import SpecError
from kdsearch.study.plausibility import Doubt, doubt_net
from kdsearch.teaching.file_net import FileNet

if TYPE_CHECKING:
    from kdsearch.rundir.summary import ReferenceRow
    from kdsearch.spec.distill_sections import TeacherOptions
    from kdsearch.study.planning import Study
    from kdsearch.tasks.base import Task
    from kdsearch.teaching.teachers import Teacher

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reference:
    """A net that nobody trains here: what it is, and the task as it reads its images.

    ``claimed``: the figure on validation images that its card has, if there is one; ``normalised``: whether somebody
    said what its images are normalised by.
    """

    role: Literal["given", "teacher"]
    name: str
    net: nn.Module
    task: Task
    claimed: float | None = None
    normalised: bool = True

    @property
    def file(self) -> FileNet | None:
        """The file that it is, if it is one."""
        return next((module for module in self.net.modules() if isinstance(module, FileNet)), None)


class _Reordered(nn.Module):
    """A teacher whose logits come in the task's order."""

    def __init__(self, teacher: Teacher) -> None:
        super().__init__()
        self.net, self.columns = teacher.net, teacher.columns

    def forward(self, image_BCHW: Tensor) -> Tensor:
        logits_BC: Tensor = self.net(image_BCHW)
        return logits_BC if self.columns is None else logits_BC[:, list(self.columns)]


def find_references(study: Study) -> Iterator[Reference]:
    """The student as it came, if it came trained, and the teacher, if there is one."""
    ctx, student = study.ctx, study.spec.student
    if ctx.trained:
        normalised = student.mean is not None or student.pretrained
        yield Reference("given", student.label, ctx.net, study.task, normalised=normalised)
    if ctx.teaching is not None and study.spec.teacher is not None:
        teacher = ctx.teaching.teacher
        task, named = study.task.normalised_by(teacher.mean, teacher.std), study.spec.teacher
        claimed = _claims(named).get(task.metric.validation)
        normalised = named.net is None or named.mean is not None
        yield Reference("teacher", teacher.name, _Reordered(teacher), task, claimed, normalised)


def _claims(named: TeacherOptions) -> Mapping[str, float]:
    """The figures that the teacher's card or file says it has."""
    from kdsearch.spec.teacher_card import read_card
    from kdsearch.spec.teacher_file import read_file_facts

    if named.file is not None:
        return read_file_facts(named).metrics
    return {} if named.card is None else read_card(named.card).metrics


def check_references(study: Study) -> None:
    """Reads the validation images once by each reference and says what looks wrong with it.

    A study without data has none yet: it looks at a student that came trained once they are there.

    Raises:
        SpecError: its outputs are of the classes in another order, or a teacher knows nothing of these images.
    """
    if study.task.placeholder:
        return
    for reference in find_references(study):
        found = doubt_net(
            reference.net,
            reference.task,
            device=study.ctx.device,
            claimed=reference.claimed,
            try_others=not reference.normalised,
        )
        if found is not None:
            _tell(reference, found)


def _tell(reference: Reference, found: Doubt) -> None:
    section = "student" if reference.role == "given" else "teacher"
    said = f"{section}: {reference.name} {found.text}"
    if found.certain or (found.by_chance and reference.role == "teacher"):
        raise SpecError(said)
    log.warning("%s", said)


def measure_references(study: Study) -> list[ReferenceRow]:
    """A row of the final table for each; its figure on the test images is read here, once."""
    named = study.spec.teacher
    if study.task.generated and study.task.metric.searched and named is not None and named.card is not None:
        from kdsearch.teaching.teachers import warn_of_seen_images

        warn_of_seen_images(named.card, study.task)  # real test images, which nobody has read until now
    return [_measure(study, reference) for reference in find_references(study)]


def _measure(study: Study, reference: Reference) -> ReferenceRow:
    task, device, metric = reference.task, study.ctx.device, study.task.metric
    figures: Mapping[str, float] = task.evaluate(reference.net, "test", device=device)
    validated = task.evaluate(reference.net, "validation", device=device)
    costs = _count(reference)
    row: ReferenceRow = {
        "id": reference.role,
        "role": reference.role,
        "name": reference.name,
        "metrics": {metric.name: figures[metric.name], metric.validation: validated[metric.on_validation.name]},
        "costs": costs,
    }
    if not costs:
        row["unmeasured"] = dict.fromkeys(CLOSED_FORMS, "its runtime does not tell")
    return row


def _count(reference: Reference) -> dict[str, float]:
    """What it costs; nothing where a file's runtime does not tell."""
    shape, file = reference.task.image_shape, reference.file
    if file is None:
        return {**count_costs(reference.net, shape)}
    if file.held is None:
        return {}
    return dict(zip(CLOSED_FORMS, (count_macs(file, shape), file.held, 4 * file.held), strict=True))
