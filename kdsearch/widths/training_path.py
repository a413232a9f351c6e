"""The path that a net takes in training, where it is another than in evaluation: auxiliary heads, extra branches."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from kdsearch.errors import WidthError, first_line
from kdsearch.tracing.layers import MAPPING
from kdsearch.tracing.tracer import FOREIGN_ERRORS, Tracer, units_of_output
from kdsearch.tracing.units import UnitRecorder, classify

_REASON = "works in training only"


def trace_training(evaluated: Tracer, tensors: Mapping[str, Tensor], image: Tensor) -> Tracer | None:
    """The tracer of the training path, its units and ties beside those of evaluation; None if both paths are one.

    A first run finds out whether they are; it leaves nothing in the recorder.

    Raises:
        WidthError: the net runs in evaluation alone.
    """
    apart = Tracer(evaluated.net, evaluated.slots, UnitRecorder(), trains=True)
    try:
        apart.run(tensors, image)
    except FOREIGN_ERRORS as error:
        if apart.is_bare:
            raise  # a net that needs values fails here; the next attempt has them
        where = next((module for module in reversed(apart.failed_in) if module), type(evaluated.net).__name__)
        raise WidthError(f"{where} does not run in training mode: {first_line(error)}") from error
    if apart.steps == evaluated.steps and list(apart.layers) == list(evaluated.layers):
        return None
    recorder = evaluated.ledger
    assert isinstance(recorder, UnitRecorder)
    taught = Tracer(evaluated.net, evaluated.slots, recorder, trains=True)
    taught.seen, taught.splits = evaluated.seen, evaluated.splits
    for units in units_of_output(taught, taught.run(tensors, image)):
        recorder.freeze(units, "gives the net's output in training")
    return taught


def freeze_training_only(evaluated: Tracer, taught: Tracer, recorder: UnitRecorder) -> None:
    """Keeps what layers of training alone give off and nothing else meets: a gene would save nothing there."""
    classes = classify(recorder)
    ports = recorder.ports
    shared = {int(root) for name in evaluated.layers for root in classes.of(ports[f"{name}:in", 0])}
    for name, module in taught.layers.items():
        if name in evaluated.layers or not isinstance(module, MAPPING):
            continue
        units = ports[f"{name}:out", 0]
        apart = np.array([int(root) not in shared for root in classes.of(units)])
        if apart.all():
            recorder.freeze(units, _REASON)
