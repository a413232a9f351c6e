"""Whether a generator has collapsed, by what its images say; no real image is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from kdsearch.spec.convergence_sections import ConvergenceOptions

LOW_ENTROPIES = 2  # evaluations running with too low an entropy of classes: one is a matter of chance
_COUNTED = 3  # diversities that make a median


@dataclass(frozen=True, slots=True)
class Reading:
    """One evaluation.

    ``steps``: of the generators since the last one. Of fresh images: ``class_entropy`` (of the teacher's answers, 0..1
    of the largest), ``absent`` (classes of which none is), ``diversity`` (standard deviation of a pixel over them, in
    grey levels) and ``batch_norm_distance`` (None without batch norms). ``fresh_agreement``: share of them of which the
    student says what the teacher says; ``training_loss``: its mean loss since the last evaluation. ``probe_kl`` (nats)
    and ``probe_agreement`` (share): on the held-out probe; ``kept_kl``: of the best student so far on the same probe.
    None without a student.
    """

    steps: int
    class_entropy: float
    absent: tuple[int, ...]
    diversity: float
    batch_norm_distance: float | None = None
    fresh_agreement: float | None = None
    training_loss: float | None = None
    probe_kl: float | None = None
    probe_agreement: float | None = None
    kept_kl: float | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier evaluations of the same generator leave to compare with.

    ``steps``: how many it has taken; ``low_entropies``: the last evaluations running whose entropy was too low.
    """

    steps: int = 0
    low_entropies: int = 0
    diversities: tuple[float, ...] = ()
    least_batch_norm_distance: float = math.inf

    def followed_by(self, reading: Reading, options: ConvergenceOptions) -> Past:
        distance = reading.batch_norm_distance
        return Past(
            self.steps + reading.steps,
            self.low_entropies + 1 if reading.class_entropy < options.class_entropy else 0,
            (*self.diversities, reading.diversity),
            self.least_batch_norm_distance if distance is None else min(distance, self.least_batch_norm_distance),
        )


def is_finite(reading: Reading) -> bool:
    """Whether what is known of the images are numbers."""
    distance = reading.batch_norm_distance or 0.0
    return all(map(math.isfinite, (reading.class_entropy, reading.diversity, distance)))


def find_collapse(reading: Reading, past: Past, options: ConvergenceOptions) -> str:
    """Why the generator counts as collapsed, in words; empty if it does not."""
    if not is_finite(reading):
        return "its images are no numbers any more"
    return next(_collapses(reading, past, options), "")


def _collapses(reading: Reading, past: Past, options: ConvergenceOptions) -> Iterator[str]:
    if reading.class_entropy < options.class_entropy and past.low_entropies + 1 >= LOW_ENTROPIES:
        yield (
            f"the classes of its images are unequal (entropy {reading.class_entropy:.2f} of 1, below "
            f"{options.class_entropy:g} in {LOW_ENTROPIES} evaluations)"
        )
    if reading.absent:
        named = ", ".join(map(str, reading.absent[:5])) + (", ..." if len(reading.absent) > 5 else "")
        yield f"the teacher sees no image of class {named}"
    usual = median(past.diversities) if len(past.diversities) >= _COUNTED else 0.0
    if reading.diversity < options.diversity * usual:
        yield f"its images are alike (pixels vary by {reading.diversity:.1f} grey levels, by {usual:.1f} as a rule)"
    loss, agreement, distance = reading.training_loss, reading.fresh_agreement, reading.batch_norm_distance
    if loss is not None and agreement is not None and loss < options.training_loss and agreement > options.agreement:
        yield f"its images teach nothing (loss {loss:.1g}, agreement {agreement:.1%} on fresh ones)"
    if distance is not None and distance > options.batch_norm * past.least_batch_norm_distance:
        yield (
            f"its images left the teacher's statistics (batch-norm distance {distance:.3g}, "
            f"{past.least_batch_norm_distance:.3g} at best)"
        )
