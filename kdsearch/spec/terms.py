"""The terms of a distillation loss, as a study writes them; no torch here.

``terms: [{ce: 1.0}, {kd: {weight: 1.0, temperature: 4}}, {cc: {weight: {search: loguniform, low: 1, high: 1000}}}]``
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_serializer, model_validator

from kdsearch.spec.errors import NUMBER, RANGE
from kdsearch.spec.sections import Section

TEACHERLESS = ("ce",)
"""The kinds of term that need no teacher."""
_MOST = 1e9  # of any amount: far above what a loss can use, and far below where float32 ends


class Range(Section):
    """An amount that a search finds, between ``low`` and ``high``; ``start`` is what it has before any search."""

    search: Literal["uniform", "loguniform"]
    low: float = Field(ge=-_MOST, le=_MOST)
    high: float = Field(ge=-_MOST, le=_MOST)
    start: float | None = Field(None, ge=-_MOST, le=_MOST)

    @model_validator(mode="after")
    def _spans(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low must be below high (got {self.low:g} and {self.high:g})")
        if self.search == "loguniform" and self.low <= 0:
            raise ValueError(f"low must be above 0 on a logarithmic scale (got {self.low:g})")
        if self.start is not None and not self.low <= self.start <= self.high:
            raise ValueError(f"start must lie between low and high (got {self.start:g})")
        return self

    @property
    def first(self) -> float:
        """``start``, or the middle of the scale that is searched."""
        if self.start is not None:
            return self.start
        return math.sqrt(self.low * self.high) if self.search == "loguniform" else (self.low + self.high) / 2


def _branch(given: Any) -> str:
    return RANGE if isinstance(given, Mapping | Range) else NUMBER


class _NotNegativeRange(Range):
    _least: ClassVar[float] = 0.0
    _inclusive: ClassVar[bool] = True
    _below: ClassVar[float] = math.inf

    @model_validator(mode="after")
    def _within(self) -> _NotNegativeRange:
        if self.low < self._least or (self.low == self._least and not self._inclusive) or self.high >= self._below:
            where = f"{'at or above' if self._inclusive else 'above'} {self._least:g}"
            raise ValueError(f"must stay {where}" + (f" and below {self._below:g}" if self._below < math.inf else ""))
        return self


class _PositiveRange(_NotNegativeRange):
    _inclusive = False


class _ShareRange(_PositiveRange):
    _below = 1.0


NotNegative = Annotated[
    Annotated[float, Field(ge=0, le=_MOST), Tag(NUMBER)] | Annotated[_NotNegativeRange, Tag(RANGE)],
    Discriminator(_branch),
]
Positive = Annotated[
    Annotated[float, Field(gt=0, le=_MOST), Tag(NUMBER)] | Annotated[_PositiveRange, Tag(RANGE)], Discriminator(_branch)
]
Part = Annotated[
    Annotated[float, Field(gt=0, lt=1), Tag(NUMBER)] | Annotated[_ShareRange, Tag(RANGE)], Discriminator(_branch)
]


def number(amount: float | Range) -> float:
    """An amount of a settled term.

    Raises:
        ValueError: it is still a range.
    """
    if isinstance(amount, Range):
        raise ValueError("the amount is a range that is searched; settle the term first")
    return amount


class TermOptions(Section):
    """``weight`` multiplies the term; or ``balance: gradient`` sets the weight while training.

    Then the term has ``share`` (0..1) of the sum of all terms' gradient norms, weights included, unless that takes a
    weight above ``most``: a term that is learned, or that hardly depends on the student, would get ever more.
    """

    weight: NotNegative = 1.0
    balance: Literal["fixed", "gradient"] = "fixed"
    share: Part = 0.1
    most: float = Field(10_000.0, gt=0, le=_MOST)

    def idle(self) -> Mapping[str, str]:
        if self.balance == "gradient":
            return {"weight": "balance: gradient sets it while training"}
        return {"share": "balance: gradient would keep it", "most": "balance: gradient would keep below it"}


class CrossEntropyTerm(TermOptions):
    """Cross-entropy with the labels, smoothed as the recipe says."""


class KDTerm(TermOptions):
    """Softened predictions of the teacher (Hinton et al. 2015); ``standardize`` their logits (Sun et al. 2024)."""

    temperature: Positive = 4.0
    standardize: bool = False


class DKDTerm(TermOptions):
    """Decoupled distillation: ``alpha`` weighs the target's part, ``beta`` the other classes' (Zhao et al. 2022)."""

    alpha: NotNegative = 1.0
    beta: NotNegative = 8.0
    temperature: Positive = 4.0


class DISTTerm(TermOptions):
    """Correlation between and within classes, weighed by ``beta`` and ``gamma`` (Huang et al. 2022)."""

    beta: NotNegative = 1.0
    gamma: NotNegative = 1.0
    temperature: Positive = 4.0


class TappedTerm(TermOptions):
    """A term on a tensor inside both nets: ``tap`` is its name in ``taps``."""

    pools: ClassVar[bool] = False
    """Whether it reads feature maps as their means over the pixels only."""

    tap: str = "embedding"


class HintTerm(TappedTerm):
    """Mean squared difference of a tapped tensor (FitNets, Romero et al. 2015).

    A learned layer, thrown away afterwards, brings the student's to the teacher's channels.
    """


class AttentionTerm(TappedTerm):
    """Attention maps of a tapped feature map (Zagoruyko and Komodakis 2017)."""


class PooledTerm(TappedTerm):
    """A term on the relations of a batch: feature maps are averaged over their pixels first.

    The papers of SP and RKD flatten them.
    """

    pools = True


class SimilarityTerm(PooledTerm):
    """Similarities within the batch, each row of unit length (SP, Tung and Mori 2019)."""


class RelationTerm(PooledTerm):
    """Distances and angles within the batch, weighed by ``distance`` and ``angle`` (RKD, Park et al. 2019)."""

    distance: NotNegative = 1.0
    angle: NotNegative = 2.0

    @model_validator(mode="after")
    def _compares_something(self) -> RelationTerm:
        if self.distance == 0 and self.angle == 0:
            raise ValueError("distance and angle are both 0, which compares nothing; give one of them a weight")
        return self


class CorrelationTerm(PooledTerm):
    """Correlation congruence (Peng et al. 2019). ``gamma``: of the rbf kernels; ``order``: of rbf_taylor.

    ``heads``: so many features that a linear layer gives for either net, the student's learned, the teacher's drawn
    once and never trained; null compares the tapped features as they are, which need no common size.
    """

    kernel: Literal["mmd", "bilinear", "rbf", "rbf_taylor"] = "rbf"
    gamma: Positive = 0.4
    order: int = Field(2, ge=1, le=16)

    def idle(self) -> Mapping[str, str]:
        found = dict(super().idle())
        if self.kernel != "rbf_taylor":
            found["order"] = f"kernel: {self.kernel} is no series"
        if not self.kernel.startswith("rbf"):
            found["gamma"] = f"kernel: {self.kernel} has no width"
        return found

    heads: int | None = Field(None, ge=1, le=4096)


class Term(Section):
    """One term: exactly one of these, with its weight or its options."""

    kinds: ClassVar[tuple[str, ...]] = ("ce", "kd", "dkd", "dist", "hint", "attention", "sp", "rkd", "cc")

    ce: CrossEntropyTerm | None = None
    kd: KDTerm | None = None
    dkd: DKDTerm | None = None
    dist: DISTTerm | None = None
    hint: HintTerm | None = None
    attention: AttentionTerm | None = None
    sp: SimilarityTerm | None = None
    rkd: RelationTerm | None = None
    cc: CorrelationTerm | None = None

    @model_validator(mode="before")
    @classmethod
    def _weight_alone(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {given: {}}
        if not isinstance(given, Mapping):
            return given
        short = {key: {"weight": value} for key, value in given.items() if isinstance(value, int | float)}
        return {**given, **{key: value for key, value in short.items() if key in cls.kinds}}

    @model_validator(mode="after")
    def _exactly_one(self) -> Term:
        named = [kind for kind in self.kinds if getattr(self, kind) is not None]
        if len(named) != 1:
            raise ValueError(f"must be exactly one of {', '.join(self.kinds)} (got {', '.join(named) or 'none'})")
        for name, why in self.options.idle().items():
            if isinstance(getattr(self.options, name), Range):
                raise ValueError(f"{self.kind}.{name} would be searched for nothing: {why}; give it a number")
        return self

    @model_serializer(mode="plain")
    def _written(self) -> dict[str, Any]:
        return {self.kind: self.options.model_dump(mode="json")}

    @property
    def kind(self) -> str:
        """Its name in the study, which names it in logs too."""
        return next(kind for kind in self.kinds if getattr(self, kind) is not None)

    @property
    def options(self) -> TermOptions:
        """The options of the one term that it is."""
        found: TermOptions = getattr(self, self.kind)
        return found

    def searched(self) -> Iterator[tuple[str, Range]]:
        """(name of the parameter such as cc.weight, range) of every amount that is searched."""
        for key in type(self.options).model_fields:
            value = getattr(self.options, key)
            if isinstance(value, Range):
                yield f"{self.kind}.{key}", value

    def settled(self, values: Mapping[str, float]) -> Term:
        """The term with numbers for its ranges: those of ``values``, else what each range starts with."""
        found = {name.partition(".")[2]: values.get(name, span.first) for name, span in self.searched()}
        return self.model_copy(update={self.kind: self.options.model_copy(update=found)}) if found else self


def _most(amount: float | Range) -> float:
    return amount.high if isinstance(amount, Range) else amount


def check_terms(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """The terms, if they can be learned from together.

    Raises:
        ValueError: none, one kind twice, all balanced, or shares that leave nothing to the others.
    """
    kinds = [term.kind for term in terms]
    if not kinds:
        raise ValueError("needs one term or more (got [])")
    if twice := [kind for kind in kinds if kinds.count(kind) > 1]:
        raise ValueError(f"names {twice[0]} twice; keep one of them")
    balanced = [term for term in terms if term.options.balance == "gradient"]
    if len(balanced) == len(terms):
        raise ValueError("one term at least must keep balance: fixed; the others are balanced against it")
    if not any(_most(term.options.weight) > 0 for term in terms if term not in balanced):
        raise ValueError("teaches nothing: give a term that keeps balance: fixed a weight above 0")
    most = sum(_most(term.options.share) for term in balanced)
    if most >= 1:
        raise ValueError(f"the shares of the balanced terms come to {most:g}; they must leave something below 1")
    return terms
