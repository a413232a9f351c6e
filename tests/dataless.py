"""A study without data so small that it runs in seconds: a toy teaches a toy."""

from __future__ import annotations

from kdsearch.spec.study_spec import StudySpec
from tests.tiny import tiny_spec

SETS = (
    "name=dataless",
    "student={net: given, divisor: 1}",
    "teacher={net: given, shape: [1, 8, 8], classes: ['|', '-', ' '], mean: 0, std: 1}",
    "task={data: none, synthesis: {steps: 20, batch_size: 32, noise: 8, width: 4, bank: 400, probe: 48, test: 32,"
    "procedural: 0}}",
    "search={name: random}",
    "strategy.calibration_images=64",
    "budget={trials: 3}",
    "limits={macs: 60%, window: null}",
    "finish={name: scratch, epochs: 1, batch_size: 24, controls: {full: false}}",
    "strategy.batch_size=24",
)


def dataless_spec(*sets: str) -> StudySpec:
    """The study, with these changes made."""
    return tiny_spec(*SETS, *sets)
