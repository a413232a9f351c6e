"""What a study says about its teacher and about learning from it; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from kdsearch.errors import SpecError
from kdsearch.quoting import say_command
from kdsearch.spec.errors import unknown
from kdsearch.spec.net_facts import Classes, Length, Sha256
from kdsearch.spec.sections import ChannelDeviations, ChannelMeans, Section, require_both, require_one
from kdsearch.spec.strategy_options import TrainingOptions
from kdsearch.spec.terms import TEACHERLESS, Positive, Range, TappedTerm, Term, check_terms

if TYPE_CHECKING:
    from kdsearch.spec.study_spec import StudySpec

_LEARNED = ("preset", "terms", "taps", "sampler")
_OF_FILES = ("sha256", "outputs")
_OF_NETS = ("shape", "classes")
_ANSWERED = "the terms ce, kd, dkd and dist"


class TeacherOptions(Section):
    """The teacher: a card, by path or by the name of a shipped one; ``teacher: CARD`` is short for ``{card: CARD}``.

    ``file``: an exported net, TorchScript or ONNX, that only answers; ``teacher: FILE`` is short for ``{file: FILE}``.
    What kdsearch exported says the rest itself; of another file ``shape`` (channels, height, width), ``classes`` (their
    names in the order of its outputs, or how many where that is the task's order), ``mean`` and ``std`` must be said.
    ``outputs``: whether a softmax is the last of it. ``sha256``: of the only file that is accepted.
    ``net: given`` stands for a module passed from Python, whose outputs are the task's classes in their order; ``mean``
    and ``std`` are what its images were normalised by, of pixels in 0..1 (the student's, where they are left out).
    With ``task: {data: none}`` it needs ``shape`` and ``classes`` too, as there are no images that show them.
    ``mode``: the teacher answers as the student trains (online), or it answers once for ``views`` augmented views of
    every training image, kept in a file that all trainings on this machine share (cached); auto times three steps and
    takes the cheaper.
    """

    card: Path | None = None  # absolute once it is read
    file: Path | None = None
    net: Literal["given"] | None = None
    sha256: Sha256 | None = None
    shape: tuple[Length, Length, Length] | None = None
    classes: Classes | None = None
    outputs: Literal["logits", "probabilities"] = "logits"
    mean: ChannelMeans | None = None
    std: ChannelDeviations | None = None
    mode: Literal["auto", "online", "cached"] = "auto"
    views: int = Field(8, ge=1, le=1000)

    def idle(self) -> Mapping[str, str]:
        return {"views": "mode: online shows fresh views at every step"} if self.mode == "online" else {}

    def idle_beside(self, study: StudySpec) -> Mapping[str, str]:
        shown = self.net is not None and not study.task.generates
        told = dict.fromkeys(("shape", "classes"), "the task's images show it") if shown else {}
        learning = any(each.options.asks_teacher for each in (study.strategy, study.finish))
        return told if learning else told | dict.fromkeys(("mode", "views"), "no training asks the teacher")

    @model_validator(mode="after")
    def _one_source(self) -> TeacherOptions:
        require_one(self, "card", "file", "net")
        require_both(self, "mean", "std")
        if self.card is not None and self.mean is not None:
            raise ValueError("mean goes with file or net: given; a card has its own")
        defaults = {key: type(self).model_fields[key].default for key in (*_OF_FILES, *_OF_NETS)}
        said = [key for key, default in defaults.items() if getattr(self, key) != default]
        for key in said if self.file is None else ():
            if self.card is not None or key in _OF_FILES:
                raise ValueError(f"{key} goes with file; a card has its own, a module is tried")
        return self

    @field_validator("file")
    @classmethod
    def _file_is_there(cls, file: Path | None) -> Path | None:
        if file is not None and not file.is_absolute() and not file.expanduser().is_file():
            raise ValueError(f"{file}: no such file; write where the exported net lies")
        return file

    @field_validator("card")
    @classmethod
    def _is_there(cls, card: Path | None) -> Path | None:
        from kdsearch.spec.teacher_card import find_card, read_card

        if card is None:
            return None
        try:
            found = find_card(card).absolute()
            if read_card(found).weights is None:
                raise ValueError(f"{card}: has no weights yet; train them with: {say_command('teach', card)}")
            return found
        except SpecError as error:
            if card.is_absolute():  # a run that is read again may name a card that has gone; planning will say so
                return card
            raise ValueError(str(error)) from None


class SamplerOptions(Section):
    """Which images make up a batch. ``k``: images of one class, or cluster, in a group.

    ``class_balanced`` and ``superclass`` (``clusters`` of the teacher's embeddings) are those of CCKD.
    """

    name: Literal["uniform", "class_balanced", "superclass"] = "uniform"
    k: int = Field(4, ge=1, le=1_000_000)
    clusters: int | None = Field(None, ge=2, le=1_000_000)

    def idle(self) -> Mapping[str, str]:
        return {"k": "uniform batches have no groups"} if self.name == "uniform" else {}

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, given: Any) -> Any:
        return {"name": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _clusters_where_they_count(self) -> SamplerOptions:
        if (self.name == "superclass") != (self.clusters is not None):
            raise ValueError(f"clusters goes with superclass, and superclass needs it (name is {self.name})")
        return self


class TapOptions(Section):
    """Names of tensors inside the two nets: module paths, ``PATH:input`` for what a module reads.

    ``embedding`` is known without being named: what each net's classifier reads.
    """

    student: dict[str, str] = Field(default_factory=dict)
    teacher: dict[str, str] = Field(default_factory=dict)


class DistillationOptions(TrainingOptions):
    """The recipe trains the student; ``terms`` are what it lowers, each with its weight.

    An amount of a term, such as its weight, and ``learning_rate`` may be ranges that are searched: then a candidate is
    a set of amounts and the student keeps the uniform widths of its budget, unless ``search_widths``.
    """

    learning_rate: Positive = 0.05  # type: ignore[assignment]  # a number once the options are settled
    terms: tuple[Term, ...] = ()
    taps: TapOptions = TapOptions()
    sampler: SamplerOptions = SamplerOptions()
    search_widths: bool = False

    for_search: ClassVar[frozenset[str]] = frozenset({"search_widths"})

    def idle(self) -> Mapping[str, str]:
        found = dict(super().idle())
        if not self.ranges:
            found["search_widths"] = "nothing else is a range, so widths are searched anyway"
        if not any(term.kind == "ce" for term in self.terms):
            found["label_smoothing"] = "terms has no ce"
        return found

    @field_validator("terms")
    @classmethod
    def _fit_together(cls, terms: tuple[Term, ...]) -> tuple[Term, ...]:
        return check_terms(terms)

    @model_validator(mode="after")
    def _batches_are_made_of_groups(self) -> DistillationOptions:
        if self.sampler.name != "uniform" and self.batch_size % self.sampler.k:
            batch = f"a batch of {self.batch_size} images"
            raise ValueError(f"sampler.k: {batch} is not made of groups of {self.sampler.k}; let k divide batch_size")
        return self

    @model_validator(mode="after")
    def _taps_are_named_and_read(self) -> DistillationOptions:
        read = {term.kind: term.options.tap for term in self.terms if isinstance(term.options, TappedTerm)}
        for side, named in (("student", self.taps.student), ("teacher", self.taps.teacher)):
            for kind, tap in read.items():
                if tap != "embedding" and tap not in named:
                    raise ValueError(f"terms: {kind} reads tap {tap!r}, which taps.{side} must name")
            clusters = {"embedding"} if side == "teacher" and self.sampler.name == "superclass" else set()
            for tap in named:
                if tap not in {*read.values(), *clusters}:
                    raise ValueError(f"taps.{side}: {unknown('tap', tap, sorted({*read.values(), *clusters}))}")
        return self

    @property
    def asks_teacher(self) -> bool:
        """Whether any term reads what a teacher says."""
        return any(term.kind not in TEACHERLESS for term in self.terms) or self.sampler.name == "superclass"

    @property
    def inside_teacher(self) -> Mapping[str, str]:
        found = {term.kind: _ANSWERED for term in self.terms if isinstance(term.options, TappedTerm)}
        return found | ({"superclass": "another sampler"} if self.sampler.name == "superclass" else {})

    @property
    def ranges(self) -> Mapping[str, Range]:
        """Name such as cc.weight to range, of all that is searched."""
        rate = {"learning_rate": self.learning_rate} if isinstance(self.learning_rate, Range) else {}
        return {name: span for term in self.terms for name, span in term.searched()} | rate

    def option_of(self, amount: str) -> str:
        return amount if amount in type(self).model_fields else "terms"

    @property
    def searches_widths(self) -> bool:
        return self.search_widths or not self.ranges

    def hand_on(self, strategy: Mapping[str, Any], finish: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the strategy learns from its teacher, and the learning rate that it finds."""
        if "preset" in finish:
            return {}
        learned = {key: strategy[key] for key in _LEARNED if key in strategy and key not in finish}
        return {**super().hand_on(strategy, finish), **learned}

    def settled(self, values: Mapping[str, Any]) -> DistillationOptions:
        """These options with numbers for all ranges: those of ``values`` by name, else where each range starts."""
        rate = self.learning_rate
        if isinstance(rate, Range):
            rate = values.get("learning_rate", rate.first)
        return self.model_copy(
            update={"terms": tuple(term.settled(values) for term in self.terms), "learning_rate": rate}
        )
