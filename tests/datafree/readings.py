"""Evaluations of a training without data that goes well, to be spoilt one figure at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kdsearch.datafree.health import Past, Reading
from kdsearch.spec.convergence_sections import ConvergenceOptions

OPTIONS = ConvergenceOptions()
STEPS = 25
SOUND = Reading(
    steps=STEPS,
    class_entropy=0.97,
    absent=(),
    diversity=60.0,
    batch_norm_distance=6.0,
    fresh_agreement=0.9,
    training_loss=0.2,
    probe_kl=0.4,
    probe_agreement=0.8,
    kept_kl=0.5,
)


def reading(**spoilt: Any) -> Reading:
    return replace(SOUND, **spoilt)


def past(evaluations: int = 4) -> Past:
    """That of a generator that has been sound so often."""
    made = Past()
    for _ in range(evaluations):
        made = made.followed_by(SOUND, OPTIONS)
    return made
