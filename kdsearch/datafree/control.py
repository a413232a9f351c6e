"""Keeps generators and a student to go back to, and goes back where an evaluation asks for it."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import Any

from torch import nn

from kdsearch.data.seeds import mix_seed
from kdsearch.datafree.health import Reading
from kdsearch.datafree.recovery import Recovery
from kdsearch.datafree.synthesiser import Synthesiser
from kdsearch.spec.convergence_sections import ConvergenceOptions

_RENEWED = 43  # the stream of a seed from which generators begin anew
_log = logging.getLogger(__name__)


class Control:
    """The last sound state of the generators, and what is done to them after an evaluation.

    A generator that went back draws other noise than before, since that depends on the step.
    """

    def __init__(self, synthesiser: Synthesiser, options: ConvergenceOptions, seed: int) -> None:
        self._synthesiser, self._seed = synthesiser, seed
        self.recovery = Recovery(options)
        self._sound = copy.deepcopy(synthesiser.state())

    @property
    def student_rate(self) -> float:
        """What share of its schedule's rate the student learns with."""
        return self.recovery.student_rate

    def act(self, reading: Reading, *, at_lowest_rate: bool = False) -> tuple[str, bool]:
        """What is to be done to the student (go on, keep, go back), and whether training ends here.

        Raises:
            KdsearchError: the generators have collapsed once too often.
        """
        decision = self.recovery.tell(reading, at_lowest_rate=at_lowest_rate)
        if decision.reason:
            _log.warning("%s", decision.reason)
        if decision.generator == "keep":
            self._sound = copy.deepcopy(self._synthesiser.state())
        elif decision.generator == "go back":
            self._synthesiser.load(copy.deepcopy(self._sound))  # the optimisers would go on in it
        elif decision.generator == "renew":
            self._synthesiser.renew(mix_seed(self._seed, len(self.recovery.collapses), _RENEWED))
            self._sound = copy.deepcopy(self._synthesiser.state())
        self._synthesiser.rate_share = decision.generator_rate
        return decision.student, decision.finished

    def state(self) -> dict[str, Any]:
        return {"recovery": self.recovery.state(), "sound": copy.copy(self._sound)}

    def load(self, state: Mapping[str, Any]) -> None:
        self.recovery.load(state["recovery"])
        self._sound = copy.deepcopy(state["sound"])


class BestStudent:
    """The weights of the best evaluation so far, with their optimiser, to go back to and to end with.

    Until there has been one they are those that the training began with.
    """

    def __init__(self, student: nn.Module, optimizer: Any) -> None:
        self._student, self._optimizer = student, optimizer
        self.kl: float | None = None
        self.keep(None)

    def keep(self, kl: float | None) -> None:
        """The student as it is now is the best; ``kl``: its divergence on the probe."""
        self.kl = kl
        self.weights = {name: value.detach().clone() for name, value in self._student.state_dict().items()}
        self._optimizing = copy.deepcopy(self._optimizer.state_dict())

    def go_back(self) -> None:
        self.give()
        self._optimizer.load_state_dict(copy.deepcopy(self._optimizing))

    def give(self) -> None:
        """Gives the student these weights."""
        self._student.load_state_dict(self.weights)

    def state(self) -> dict[str, Any]:
        return {"kl": self.kl, "weights": dict(self.weights), "optimizer": copy.copy(self._optimizing)}

    def load(self, state: Mapping[str, Any]) -> None:
        self.kl, self.weights = state["kl"], dict(state["weights"])
        self._optimizing = copy.deepcopy(state["optimizer"])
