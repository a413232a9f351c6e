"""What to do after an evaluation: go on, go back to a sound generator or student, give up, or end; a state machine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from kdsearch.datafree.health import Past, Reading, find_collapse, is_finite
from kdsearch.errors import KdsearchError
from kdsearch.spec.convergence_sections import ConvergenceOptions

_RENEWED, _GIVEN_UP = 3, 4  # the collapse after which a new generator begins, and the one that is too many
_ASTRAY = 3  # evaluations running after which a student that has got worse goes back


@dataclass(frozen=True, slots=True)
class Decision:
    """What whoever trains has to do.

    ``generator``: go on with it; keep it, as the one to go back to; go back to that one, with a new seed; renew it,
    from fresh weights. ``student``: go on; keep it, as the best so far; go back to that one. ``generator_rate`` and
    ``student_rate`` are the factors of the learning rates from now on. ``finished``: there is no more to gain.
    ``reason``: what happened, in words; empty where nothing did.
    """

    generator: Literal["go on", "keep", "go back", "renew"]
    student: Literal["go on", "keep", "go back"]
    generator_rate: float
    student_rate: float
    finished: bool
    reason: str


@dataclass(slots=True)
class Recovery:
    """The history that decides; the collapses are counted over the whole training.

    ``gains``: by which factor each evaluation lowered the divergence of the best student, 1 where it did not.
    ``astray``: the last evaluations running with a student far from its best; ``lost``: those in which its divergence
    was no number.
    """

    options: ConvergenceOptions
    past: Past = field(default_factory=Past)
    collapses: list[str] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)
    astray: int = 0
    lost: int = 0
    generator_rate: float = 1.0
    student_rate: float = 1.0

    def tell(self, reading: Reading, *, at_lowest_rate: bool = False) -> Decision:
        """The decision after an evaluation; ``at_lowest_rate``: the student's schedule lowers its rate no further.

        Raises:
            KdsearchError: the generator has collapsed, or the student's loss has been no number, for the fourth time.
        """
        generator, collapse = self._judge_generator(reading)
        student, strayed = self._judge_student(reading)
        finished = at_lowest_rate and not collapse and self._has_stalled()
        reason = "; ".join(filter(None, (collapse, strayed)))
        return Decision(generator, student, self.generator_rate, self.student_rate, finished, reason)

    def _has_stalled(self) -> bool:
        latest = self.gains[-self.options.patience :]
        return len(latest) == self.options.patience and math.prod(latest) > 1 - self.options.gain

    def _judge_generator(self, reading: Reading) -> tuple[Literal["go on", "keep", "go back", "renew"], str]:
        reason = find_collapse(reading, self.past, self.options)
        excused = bool(reason) and self.past.steps < self.options.grace and is_finite(reading)
        if not reason or excused:
            self.past = self.past.followed_by(reading, self.options)
            return ("go on" if excused or self.past.low_entropies else "keep"), ""
        self.collapses.append(reason)
        if len(self.collapses) >= _GIVEN_UP:
            raise KdsearchError(
                f"the generator collapsed {len(self.collapses)} times ({'; '.join(dict.fromkeys(self.collapses))}); "
                "lower synthesis.learning_rate or raise synthesis.batch_size"
            )
        self.generator_rate /= 2
        if len(self.collapses) == _RENEWED:
            self.past = Past()
            return "renew", f"the generator begins anew: {reason}"
        self.past = replace(self.past, low_entropies=0)
        return "go back", f"the generator goes back: {reason}"

    def _judge_student(self, reading: Reading) -> tuple[Literal["go on", "keep", "go back"], str]:
        now, kept = reading.probe_kl, reading.kept_kl
        if now is None:
            return "go on", ""
        if math.isfinite(now) and (kept is None or now < kept):
            self.gains.append(0.0 if kept is None else now / kept)
            self.astray = 0
            return "keep", ""
        self.gains.append(1.0)
        near = kept is not None and now <= self.options.student * kept
        self.astray = 0 if near else self.astray + 1
        if math.isfinite(now) and self.astray < _ASTRAY:
            return "go on", ""
        self.astray = 0
        self.lost += not math.isfinite(now)
        if self.lost >= _GIVEN_UP:
            raise KdsearchError(
                f"the student's loss was no number {self.lost} times; lower learning_rate or set clip_norm"
            )
        self.student_rate /= 2
        best = "" if kept is None else f", {kept:.3g} at best"
        return "go back", f"the student goes back: its divergence on the probe is {now:.3g} nats{best}"

    def state(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "options"}

    def load(self, state: Mapping[str, Any]) -> None:
        """Takes over what ``state`` gave, from a checkpoint."""
        past = state["past"]
        self.past = Past(**{**past, "diversities": tuple(past["diversities"])})
        self.collapses, self.gains = list(state["collapses"]), list(state["gains"])
        self.astray, self.lost = state["astray"], state["lost"]
        self.generator_rate, self.student_rate = state["generator_rate"], state["student_rate"]
