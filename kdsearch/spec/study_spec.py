"""The study file: YAML -> StudySpec, strict, with every mistake reported at once; no torch here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from kdsearch.errors import KdsearchError, SpecError
from kdsearch.spec.distill_sections import TeacherOptions
from kdsearch.spec.errors import shown, unknown
from kdsearch.spec.fit import find_misfits, refuse_black_box
from kdsearch.spec.limits_sections import Budget, Limits
from kdsearch.spec.metric import ANSWERS_LIKELIHOOD, LIKELIHOOD, Metric
from kdsearch.spec.plugins import (
    ExecutorPlugin,
    ExporterPlugin,
    FinishPlugin,
    PassPlugin,
    PrunerPlugin,
    SearcherPlugin,
    StrategyPlugin,
    TaskPlugin,
)
from kdsearch.spec.reading import absolute, check_name, read_section
from kdsearch.spec.sections import GIVEN, OWN_NETS, Section, StudentOptions
from kdsearch.spec.sources import read_study
from kdsearch.spec.strategy_options import Start
from kdsearch.spec.teacher_file import SUFFIXES, read_file_facts
from kdsearch.spec.yaml import Document, Key

_SQLITE_FILE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:|$)(.+)")
_STORAGE = re.compile(r"journal|[a-z][a-z0-9+]*://.+")


class StudySpec(Section):
    """A whole study. ``storage``: journal (a file in the run directory) or an Optuna storage URL.

    ``keep``: what a finished run keeps: ``all``; every trained ``nets``, but not the checkpoints of their trainings; or
    only its ``students``, each with the weights that are exported, so that what is damaged later takes a new run.

    ``name`` becomes the run directory's. Paths are absolute once the study is loaded: a relative path in a study means
    what it would mean on the command line, relative to the current directory.
    """

    name: str
    seed: int = Field(0, ge=0, lt=2**32)
    task: TaskPlugin
    teacher: TeacherOptions | None = None
    student: StudentOptions
    limits: Limits = Limits()
    search: SearcherPlugin = Field(default_factory=lambda: SearcherPlugin.of("evolution"))
    strategy: StrategyPlugin
    pruner: PrunerPlugin = Field(default_factory=lambda: PrunerPlugin.of("nop"))
    budget: Budget = Budget()
    finish: FinishPlugin
    compress: tuple[PassPlugin, ...] = ()
    export: tuple[ExporterPlugin, ...] = Field(default_factory=lambda: (ExporterPlugin.of("torchscript"),))
    executor: ExecutorPlugin = Field(default_factory=lambda: ExecutorPlugin.of("serial"))
    storage: str = "journal"
    keep: Literal["all", "nets", "students"] = "nets"

    def idle(self) -> Mapping[str, str]:
        if self.strategy.options.trains_candidates:
            return {}
        return {"pruner": f"strategy: {self.strategy.name} trains no candidate, so there is nothing to stop"}

    def __repr__(self) -> str:
        return f"study {self.name}: {self.student.label} by {self.strategy.name}, finish {self.finish.name}"

    @property
    def modules(self) -> tuple[str, ...]:
        """What must be passed from Python, by the names that ``run_study`` gives them: net, teacher."""
        named = {"net": self.student.net, "teacher": None if self.teacher is None else self.teacher.net}
        return tuple(name for name, net in named.items() if net == GIVEN)

    @field_validator("name")
    @classmethod
    def _names_a_directory(cls, name: str) -> str:
        return check_name(name)

    @field_validator("student")
    @classmethod
    def _names_a_net(cls, student: StudentOptions) -> StudentOptions:
        known = (*OWN_NETS, GIVEN)
        if student.net is not None and student.net not in known:
            raise ValueError(unknown("net", student.net, known))
        return student

    @field_validator("teacher", mode="before")
    @classmethod
    def _source_alone(cls, given: Any) -> Any:
        if not isinstance(given, str | Path):
            return given
        return {"file" if Path(given).suffix.lower() in SUFFIXES else "card": given}

    @model_validator(mode="before")
    @classmethod
    def _finish_learns_likewise(cls, given: Any) -> Any:
        """What a strategy hands on holds for a finish of the same name that does not say otherwise."""
        strategy, finish = (given.get(key) if isinstance(given, Mapping) else None for key in ("strategy", "finish"))
        if not isinstance(strategy, Mapping) or not isinstance(finish, Mapping):
            return given
        if strategy.get("name") != finish.get("name"):
            return given
        try:
            options = StrategyPlugin.model_validate(strategy).options
        except ValidationError:  # reported where strategy itself is read
            return given
        return {**given, "finish": {**finish, **options.hand_on(strategy, finish)}}

    @model_validator(mode="after")
    def _teacher_is_asked(self) -> StudySpec:
        learning = self.task.generates or any(each.options.asks_teacher for each in (self.strategy, self.finish))
        if self.teacher is None and learning and not self.task.generates:
            raise ValueError("teacher is missing; name a card, such as teacher: teachers/resnet20_mnist5k.yaml")
        if self.teacher is not None and not learning:
            raise ValueError("neither strategy nor finish learns from a teacher; remove teacher, or name one that does")
        return self

    @model_validator(mode="after")
    def _finish_trains_what_was_found(self) -> StudySpec:
        strategy, finish = self.strategy.options, self.finish.options
        if left := sorted(finish.ranges.keys() - strategy.ranges.keys()):
            option = finish.option_of(left[0])
            key = "finish" if option == left[0] else f"finish.{option}"
            raise ValueError(f"{key}: {left[0]} is a range that strategy does not search; write a number")
        lost = sorted(strategy.ranges.keys() - finish.ranges.keys())
        if lost and not strategy.searches_widths:
            raise ValueError(
                f"finish would train without the {lost[0]} that strategy searches; say finish.name: "
                f"{self.strategy.name} and leave finish.{strategy.option_of(lost[0])} out, or search it not"
            )
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> StudySpec:
        if misfits := list(find_misfits(self)):
            raise ValueError("\n".join(misfits))
        return self

    @property
    def without_data(self) -> bool:
        """Whether anything in it makes the images that it learns from, behind closed real ones."""
        return self.task.generates or self.strategy.options.without_data or self.finish.options.without_data

    @property
    def score_metric(self) -> Metric | None:
        """What candidates and finalists are compared by where that is a score of its own; None: the task's metric."""
        told = self.strategy.options.score_metric
        return ANSWERS_LIKELIHOOD if told == LIKELIHOOD and self.task.generated else told

    @property
    def start(self) -> Start:
        """Which weights the trainings at the end go on from."""
        if self.finish.start is not None:
            return self.finish.start
        searching: Any = self.strategy.find()
        own = self.finish.name == self.strategy.name and searching.gives_start
        return "inherited" if own else "scratch"

    @field_validator("storage")
    @classmethod
    def _journal_or_address(cls, storage: str) -> str:
        if not _STORAGE.fullmatch(storage):
            raise ValueError(
                f"must be journal, or an Optuna storage URL such as sqlite:///study.db (got {shown(storage)})"
            )
        return storage

    @field_validator("export")
    @classmethod
    def _each_format_once(cls, export: tuple[ExporterPlugin, ...]) -> tuple[ExporterPlugin, ...]:
        names = [plugin.name for plugin in export]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"names {twice[0]} twice; keep one of them")
        return export


def load_spec(study: str | Path, sets: Sequence[str] = ()) -> StudySpec:
    """The study in a file, or the shipped one of that name, with the changes ``a.b=value`` made.

    Raises:
        SpecError: one line for every mistake, ``file:line: key: what is wrong``.
    """
    return load_document(study, sets)[0]


def load_document(study: str | Path, sets: Sequence[str] = ()) -> tuple[StudySpec, Document]:
    """As ``load_spec``, with the document, which knows the line of each key."""
    document = read_study(study, sets)
    spec = read_section(StudySpec, document)
    _check_teacher(spec, document)
    return absolute(spec.model_copy(update={"storage": _absolute_storage(spec.storage)})), document


def _check_teacher(spec: StudySpec, document: Document) -> None:
    """Looks at a teacher's file where there is one; a run that is read again need not have it any more."""
    teacher = None if spec.teacher is None else absolute(spec.teacher)
    if teacher is None or teacher.file is None or not teacher.file.exists():
        return
    try:
        kind = read_file_facts(teacher).kind
        refuse_black_box(spec, kind)
    except KdsearchError as error:
        raise SpecError(f"{document.place(('teacher', 'file'))}: teacher.file: {error}") from None


def dumps(spec: StudySpec) -> str:
    """The study as JSON, every default written out."""
    return spec.model_dump_json(indent=1)


def loads(text: str) -> StudySpec:
    """The study that ``dumps`` wrote."""
    return StudySpec.model_validate_json(text)


def to_yaml(spec: StudySpec) -> str:
    """The study as a YAML file that ``load_spec`` reads back equal, every default written out."""
    return yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)


def files_named(spec: Section, key: Key = ()) -> Iterator[tuple[Key, Path]]:
    """Every path that the study names, with its key."""
    for name, value in spec:
        yield from _paths_in(value, (*key, name) if name != "options" else key)


def _paths_in(value: Any, key: Key) -> Iterator[tuple[Key, Path]]:
    if isinstance(value, Path):
        yield key, value
    elif isinstance(value, Section):
        yield from files_named(value, key)
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _paths_in(item, (*key, number))


def _absolute_storage(storage: str) -> str:
    """The storage, an SQLite file of it at the place that it has now: a run may be resumed from another directory."""
    found = _SQLITE_FILE.fullmatch(storage)
    return storage if found is None else f"{found[1]}{Path.cwd() / found[2]}"
