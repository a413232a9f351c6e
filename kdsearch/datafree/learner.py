"""Learns without data: generators that make images for a teacher, alone or with a student that learns from them.

B: batch, N: images of the probe, C: channels of images, classes of logits, H and W: pixels.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from kdsearch.data.augment import apply_views, draw_views, normalise
from kdsearch.data.seeds import mix_seed
from kdsearch.data.split import spread_over_classes
from kdsearch.datafree.bank import Bank, BankSizes
from kdsearch.datafree.procedural import draw_procedural
from kdsearch.datafree.sums import Sums
from kdsearch.datafree.synthesiser import Made, Synthesiser
from kdsearch.losses.pointwise import kd_loss
from kdsearch.measures.layout import training_layout
from kdsearch.spec.datafree_sections import DataFreeOptions
from kdsearch.spec.sections import Augmentation, Recipe
from kdsearch.spec.synthesis_sections import SynthesisOptions
from kdsearch.spec.terms import number
from kdsearch.teaching.teachers import Teacher
from kdsearch.training.identity import digest_of
from kdsearch.training.learner import Learner, Moment, autocast
from kdsearch.training.optim import learning_rate, make_optimizer, set_learning_rate

_GENERATORS = 41  # the stream of a seed from which generators begin
_CHOICE = 2  # procedural images that are drawn for one that is kept
_PROBED = 500  # images of the probe at once


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

    ``loss`` is the generators' whole loss, which may be negative.
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
        self._sums = Sums()

    def step(self, batch: tuple[Any, ...], moment: Moment) -> None:  # noqa: ARG002
        self._sums.add({"loss": self._make(moment).loss})

    def figures(self) -> Mapping[str, float]:
        return {**self._sums.means(), "images": float(self.bank.seen)}

    def close_epoch(self) -> Mapping[str, float]:
        found = self.figures()
        self._sums = Sums()
        return found

    def state(self) -> dict[str, Any]:
        made = {"synthesiser": self.synthesiser.state(), "bank": self.bank.state()}
        return {**made, "sums": self._sums.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        self.synthesiser.load(state["synthesiser"])
        self.bank.load(state["bank"])
        self._sums.load(state["sums"])

    def identity(self) -> Mapping[str, str]:
        return {"net": "none", "rounds": str(len(self.batches)), "synthesis": self.options.model_dump_json()}

    def _make(self, moment: Moment, rival: nn.Module | None = None, weight: float = 0.0) -> Made:
        """The images of one step of a generator, which are in the bank from now on."""
        made = self.synthesiser.step(moment.step, rival, weight)
        self.bank.add(made.pixels_BCHW, made.answers_BC)
        self._sums.add(made.losses)
        if self._procedural:
            self.bank.add(*self._pick_procedural())
        return made

    def _pick_procedural(self) -> tuple[Tensor, Tensor]:
        """Images that nobody learned to make, half of those drawn, of which the teacher sees all classes alike."""
        teacher, count = self.teacher, self._procedural
        pixels_BCHW = draw_procedural(_CHOICE * count, self._image_shape, teacher.mean, teacher.std)
        logits_BC, _ = teacher.answer(pixels_BCHW, {})
        rows = torch.tensor(spread_over_classes(logits_BC.argmax(1).tolist(), count))
        rows = rows[torch.randperm(count)]  # the bank's samples take the first of a batch
        return pixels_BCHW[rows], logits_BC.cpu()[rows]


class DataFreeLearner(SynthesisLearner):
    """A student beside generators: at each step one of these learns, then the student as often as ``options`` say.

    Of all its evaluations, at the ends of epochs, that with the smallest divergence from the teacher on the probe
    counts: ``select`` gives the student those weights. ``mean`` and ``std``: how the student's images are normalised.
    """

    stream: ClassVar[int] = 22

    def __init__(
        self,
        teacher: Teacher,
        student: nn.Module,
        image_shape: tuple[int, int, int],
        options: DataFreeOptions,
        *,
        statistics: tuple[tuple[float, ...], tuple[float, ...]],
        seed: int,
    ) -> None:
        settled = options.settled({})
        super().__init__(teacher, image_shape, settled.synthesis, settled, rounds=settled.rounds, seed=seed)
        if not isinstance(settled.student_steps, int):
            raise ValueError("student_steps: auto must be decided before a training, so that every process agrees")
        self._plan, self._steps = settled, settled.student_steps
        self.student, self._statistics = student.to(teacher.device), statistics
        self._optimizer = make_optimizer(settled, self.student)
        self._best: dict[str, Any] = {"kl": float("inf"), "weights": {}}

    @contextmanager
    def training(self) -> Iterator[None]:
        with training_layout(self.student):
            self.student.train()
            yield

    def step(self, batch: tuple[Any, ...], moment: Moment) -> None:  # noqa: ARG002
        plan = self._plan
        opposed = number(plan.adversarial) > 0 and moment.step >= plan.adversarial_from * moment.steps
        made = self._make(moment, self.student if opposed else None, number(plan.adversarial))
        for at in range(self._steps):
            place = (moment.step * self._steps + at, moment.steps * self._steps, moment.steps_per_epoch * self._steps)
            set_learning_rate(self._optimizer, learning_rate(plan, *place))
            self._learn(*(self._shown(made) if plan.preset == "dafl-paper" else self._drawn()))

    def close_epoch(self) -> Mapping[str, float]:
        return {**super().close_epoch(), **self.evaluate()}

    def evaluate(self) -> Mapping[str, float]:
        """What the probe says at the end of an epoch; the best student so far is kept."""
        found = self.probe()
        if found["probe_kl"] < self._best["kl"]:
            weights = {name: value.detach().clone() for name, value in self.student.state_dict().items()}
            self._best = {"kl": found["probe_kl"], "weights": weights}
        return found

    def figures(self) -> Mapping[str, float]:
        return {**super().figures(), "learning_rate": self._optimizer.param_groups[0]["lr"]}

    def probe(self) -> dict[str, float]:
        """``probe_kl`` (nats) and ``probe_agreement`` (0..1) of student and teacher on images that nobody trains on."""
        pixels_NCHW, taught_NC = self.bank.part("validation")
        device = self.teacher.device
        self.student.eval()
        with torch.no_grad():
            parts = [self.student(self._seen(part.to(device))).float() for part in pixels_NCHW.split(_PROBED)]
        self.student.train()
        logits_NC, taught_NC = torch.cat(parts), taught_NC.to(device).float()
        agreement = (logits_NC.argmax(1) == taught_NC.argmax(1)).double().mean()
        return {"probe_kl": float(kd_loss(logits_NC, taught_NC)), "probe_agreement": float(agreement)}

    def validate(self) -> tuple[str, float]:
        return "probe_agreement", self.probe()["probe_agreement"]

    def select(self) -> float:
        """Gives the student the weights of its best evaluation, whose divergence comes back (nats)."""
        if self._best["weights"]:
            self.student.load_state_dict(self._best["weights"])
        return float(self._best["kl"])

    def state(self) -> dict[str, Any]:
        student = {"student": self.student.state_dict(), "optimizer": self._optimizer.state_dict()}
        return {**super().state(), **student, "best": copy.copy(self._best)}

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self.student.load_state_dict(state["student"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._best = state["best"]

    def identity(self) -> Mapping[str, str]:
        shapes = [(name, tuple(value.shape)) for name, value in self.student.state_dict().items()]
        return {**super().identity(), "net": digest_of(shapes)}

    def _learn(self, image_BCHW: Tensor, taught_BC: Tensor) -> None:
        """One step of the student towards what the teacher says of the images."""
        self._optimizer.zero_grad()
        with autocast(self._plan.precision, self.teacher.device):
            logits_BC = self.student(image_BCHW)
        loss = kd_loss(logits_BC, taught_BC, number(self._plan.temperature))
        loss.backward()
        if self._plan.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.student.parameters(), self._plan.clip_norm)
        self._optimizer.step()
        self._sums.add({"loss": loss})

    def _drawn(self) -> tuple[Tensor, Tensor]:
        """Images of the bank as the student reads them, and what the teacher says of the same."""
        pixels_BCHW, taught_BC = self.bank.draw(self._plan.batch_size)
        if changes(self._plan.augment):
            height, width = pixels_BCHW.shape[2:]
            views = draw_views(len(pixels_BCHW), self._plan.augment, (height, width), torch.default_generator)
            pixels_BCHW = apply_views(pixels_BCHW, views)
            taught_BC, _ = self.teacher.answer(pixels_BCHW, {})
        device = self.teacher.device
        return self._seen(pixels_BCHW.to(device)), taught_BC.to(device)

    def _shown(self, made: Made) -> tuple[Tensor, Tensor]:
        """The images that the generator has just made, not yet rounded to pixels, as in the authors' code."""
        mean, std = self.teacher.mean, self.teacher.std
        if (mean, std) == self._statistics:
            return made.image_BCHW, made.logits_BC
        scale, shift = (torch.tensor(given, device=made.image_BCHW.device).view(1, -1, 1, 1) for given in (std, mean))
        return self._seen(255 * (made.image_BCHW * scale + shift)), made.logits_BC

    def _seen(self, pixels_BCHW: Tensor) -> Tensor:
        return normalise(pixels_BCHW, *self._statistics)


def changes(augment: Augmentation) -> bool:
    """Whether an image is shown in more views than one."""
    return augment != Augmentation(crop=0, flip=False)
