"""When learning without data is watched, called back, and ended; no torch here."""

from __future__ import annotations

from pydantic import Field

from kdsearch.spec.sections import Section


class ConvergenceOptions(Section):
    """What counts as a collapse of the generator, and as the student going astray; every figure is of generated images.

    The generator has collapsed where the classes of fresh images have less than ``class_entropy`` of the largest
    entropy in two evaluations, or one class is absent; where pixels vary less than ``diversity`` times as much as in
    the median evaluation; where the loss of the student is below ``training_loss`` while it agrees with the teacher on
    more than ``agreement`` of fresh images; where the distance to the teacher's batch norms is over ``batch_norm``
    times the smallest so far. ``grace``: the steps of a new generator in which only infinite numbers are a collapse.
    ``student``: a student whose divergence from the teacher on the probe is over so many times the best, three times
    running, goes back to it. ``gain``: training ends once the best student improved by less than this share in
    ``patience`` evaluations at the lowest rate.
    """

    class_entropy: float = Field(0.9, ge=0, le=1)
    diversity: float = Field(0.5, ge=0, le=1)
    training_loss: float = Field(1e-3, ge=0, le=1e6)
    agreement: float = Field(0.995, ge=0, le=1)
    batch_norm: float = Field(3.0, ge=1, le=1e6)
    grace: int = Field(50, ge=0, le=1_000_000)
    student: float = Field(1.3, ge=1, le=1e6)
    gain: float = Field(0.01, ge=0, lt=1)
    patience: int = Field(8, ge=1, le=10_000)
