"""Learns without data and without a student: generators that make images for a teacher, and fill a bank with them.

B: batch, C: channels of images, classes of logits, H and W: pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from kdsearch.data.seeds import mix_seed, seeded
from kdsearch.data.split import spread_over_classes
from kdsearch.datafree.bank import Bank, BankSizes
from kdsearch.datafree.control import Control
from kdsearch.datafree.gauges import Fresh, absent_classes, class_entropy, diversity, make_fresh
from kdsearch.datafree.health import Reading
from kdsearch.datafree.pictures import Block, draw_grid
from kdsearch.datafree.procedural import draw_procedural
from kdsearch.datafree.sums import Sums
from kdsearch.datafree.synthesiser import Made, Synthesiser
from kdsearch.spec.sections import Recipe
from kdsearch.spec.synthesis_sections import CHOICE, FRESH, SynthesisOptions
from kdsearch.spec.terms import number
from kdsearch.teaching.teachers import Teacher
from kdsearch.training.learner import Learner, Moment

_GENERATORS, _FRESH = 41, 42  # the streams of a seed from which generators begin, and evaluations draw
_SAID_FIRST = ("probe_kl", "probe_agreement", "class_entropy", "batch_norm_distance")  # a narrow display shows no more
_SHOWN = 200  # of the bank's newest and oldest images, those among which a picture finds some of each class


class Rounds:
    """Steps that bring no batch: what they learn from is made in them."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def __len__(self) -> int:
        return self._steps

    def epoch(self, number: int, start_step: int = 0) -> Iterator[tuple[Any, ...]]:  # noqa: ARG002
        return (() for _ in range(start_step, self._steps))


class SynthesisLearner(Learner):
    """Fills a bank: at each step a generator learns, and the images that it made are kept with the teacher's answers.

    ``loss`` is the generators' whole loss, which may be negative. At the end of an epoch fresh images are looked at,
    and generators that have collapsed go back to where they were sound. Images that are no numbers reach no bank, and
    no generator learns on until then.
    """

    stream: ClassVar[int] = 21

    def __init__(
        self,
        teacher: Teacher,
        image_shape: tuple[int, int, int],
        options: SynthesisOptions,
        recipe: Recipe,
        *,
        rounds: int,
        seed: int,
    ) -> None:
        self.teacher, self.recipe, self.data, self.batches = teacher, recipe, teacher.identity, Rounds(rounds)
        self.options = options.settled({})
        self.synthesiser = Synthesiser(teacher, image_shape, self.options, mix_seed(seed, _GENERATORS))
        sizes = BankSizes(round(number(self.options.bank)), self.options.probe, self.options.test)
        self.bank = Bank(image_shape, len(teacher.classes), sizes)
        self._image_shape = image_shape
        self._procedural = round(number(self.options.procedural) * self.options.batch_size)
        self.control = Control(self.synthesiser, self.options.convergence, seed)
        self._seed, self._sums = seed, Sums()
        self._fresh: Fresh | None = None
        self._read: dict[str, float] = {}  # what the last evaluation found
        self._evaluations, self._broken, self._finished = 0, False, False

    def step(self, batch: tuple[Any, ...], moment: Moment) -> None:  # noqa: ARG002
        if (made := self._make(moment)) is not None:
            self._sums.add({"loss": made.loss})

    def figures(self) -> Mapping[str, float]:
        lost = {"loss": 0.0}  # of an epoch in which nothing could be learned; the evaluation says why
        first = {name: self._read[name] for name in _SAID_FIRST if name in self._read}
        counts = {"images": float(self.bank.seen), **self._asked}
        return {**lost, **first, **self._sums.means(), **self._read, **counts}

    @property
    def _asked(self) -> Mapping[str, float]:
        """How many images a teacher was asked about whose questions count."""
        return {"queries": float(self.synthesiser.queries)} if self.synthesiser.queries else {}

    def close_epoch(self) -> Mapping[str, float]:
        self.evaluate()
        found = self.figures()
        self._sums = Sums()
        return found

    @property
    def may_ask(self) -> bool:
        """Whether the teacher may be asked about the images of one more step, and of all evaluations to come."""
        asked = self.synthesiser.queries + self.options.queries_a_step
        return self.options.queries is None or (
            asked + FRESH * (self.recipe.epochs - self._evaluations) <= self.options.queries
        )

    @property
    def finished(self) -> bool:
        return self._finished

    def evaluate(self) -> Mapping[str, float]:
        """What fresh images, and the probe, say at the end of an epoch; what went astray goes back."""
        self._evaluations += 1
        with seeded(mix_seed(self._seed, self._evaluations, _FRESH), self.teacher.device):
            self._fresh = fresh = make_fresh(self.synthesiser)
        reading = self._look(fresh)
        found = {name: value for name, value in asdict(reading).items() if isinstance(value, float)}
        self._read = {name: value for name, value in found.items() if math.isfinite(value)}
        self._read["absent_classes"] = float(len(reading.absent))
        self._act(replace(reading, diversity=math.nan) if self._broken else reading)
        self._read["collapses"] = float(len(self.control.recovery.collapses))
        self._broken = False
        return self._read

    def picture(self) -> bytes | None:
        """Fresh images, and the newest and oldest of the bank."""
        if self._fresh is None:
            return None
        shown = {
            "fresh": (self._fresh.pixels_NCHW, self._fresh.logits_NC),
            "newest of the bank": self.bank.newest(_SHOWN),
            "oldest of the bank": self.bank.oldest(_SHOWN),
        }
        return draw_grid([Block(title, *images) for title, images in shown.items()], self.teacher.classes)

    def state(self) -> dict[str, Any]:
        made = {"synthesiser": self.synthesiser.state(), "bank": self.bank.state(), "control": self.control.state()}
        told = {"read": dict(self._read), "evaluations": self._evaluations, "queries": self.synthesiser.queries}
        return {**made, **told, "sums": self._sums.state(), "broken": self._broken, "finished": self._finished}

    def load(self, state: Mapping[str, Any]) -> None:
        self.synthesiser.load(state["synthesiser"])
        self.bank.load(state["bank"])
        self.control.load(state["control"])
        self._sums.load(state["sums"])
        self.synthesiser.count_from(state["queries"])
        self._read, self._evaluations = dict(state["read"]), state["evaluations"]
        self._broken, self._finished = state["broken"], state["finished"]

    def identity(self) -> Mapping[str, str]:
        return {"net": "none", "rounds": str(len(self.batches)), "synthesis": self.options.model_dump_json()}

    def _make(self, moment: Moment, rival: nn.Module | None = None, weight: float = 0.0) -> Made | None:
        """The images of one step of a generator, which are in the bank from now on.

        None if they are no numbers, or if the teacher may not be asked about any more.
        """
        if not self.may_ask:
            return None
        made = None if self._broken else self.synthesiser.step(moment.step, rival, weight)
        if made is not None and math.isfinite(made.loss):
            self.bank.add(made.pixels_BCHW, made.answers_BC)
            self._sums.add(made.losses)
        else:
            made, self._broken = None, True
        if self._procedural:
            self.bank.add(*self._pick_procedural())
        return made

    def _pick_procedural(self) -> tuple[Tensor, Tensor]:
        """Images that nobody learned to make, half of those drawn, of which the teacher sees all classes alike."""
        teacher, count = self.teacher, self._procedural
        pixels_BCHW = draw_procedural(CHOICE * count, self._image_shape, teacher.mean, teacher.std)
        logits_BC, _ = teacher.answer(pixels_BCHW, {})
        rows = torch.tensor(spread_over_classes(logits_BC.argmax(1).tolist(), count))
        rows = rows[torch.randperm(count)]  # the bank's samples take the first of a batch
        return pixels_BCHW[rows], logits_BC.cpu()[rows]

    def _look(self, fresh: Fresh) -> Reading:
        return Reading(
            len(self.batches),
            class_entropy(fresh.logits_NC),
            absent_classes(fresh.logits_NC),
            diversity(fresh.pixels_NCHW),
            fresh.batch_norm_distance,
        )

    def _act(self, reading: Reading) -> None:
        self.control.act(reading)
