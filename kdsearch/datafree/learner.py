"""Learns without data: a student beside generators, from the images that they make for its teacher.

B: batch, N: images of the probe, C: channels of images, classes of logits, H and W: pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from kdsearch.data.augment import apply_views, draw_views, normalise
from kdsearch.datafree.black_box import Renormalised
from kdsearch.datafree.control import BestStudent
from kdsearch.datafree.gauges import Fresh, Statistics, agreement, answer_all, divergence
from kdsearch.datafree.health import Reading
from kdsearch.datafree.synthesis_learner import SynthesisLearner
from kdsearch.datafree.synthesiser import Made
from kdsearch.losses.pointwise import kd_loss
from kdsearch.measures.layout import training_layout
from kdsearch.spec.datafree_sections import DataFreeOptions
from kdsearch.spec.sections import Augmentation
from kdsearch.spec.terms import number
from kdsearch.teaching.teachers import Teacher
from kdsearch.training.identity import digest_of
from kdsearch.training.learner import Moment, autocast
from kdsearch.training.optim import learning_rate, make_optimizer, set_learning_rate

_LOWEST = 0.05  # the share of its rate at which a schedule has come to its floor


class DataFreeLearner(SynthesisLearner):
    """A student beside generators: at each step one of these learns, then the student as often as ``options`` say.

    Of all its evaluations, at the ends of epochs, that with the smallest divergence from the teacher on the probe
    counts: ``select`` gives the student those weights. As the probe grows, the best student so far is asked again each
    time. A student whose loss is no number learns no more until the evaluation sends it back. ``statistics``: how the
    student's images are normalised.
    """

    stream: ClassVar[int] = 22

    def __init__(
        self,
        teacher: Teacher,
        student: nn.Module,
        image_shape: tuple[int, int, int],
        options: DataFreeOptions,
        *,
        statistics: Statistics,
        seed: int,
    ) -> None:
        settled = options.settled({})
        super().__init__(teacher, image_shape, settled.synthesis, settled, rounds=settled.rounds, seed=seed)
        if not isinstance(settled.student_steps, int):
            raise ValueError("student_steps: auto must be decided before a training, so that every process agrees")
        self._plan, self._steps = settled, settled.student_steps
        self.student, self._statistics = student.to(teacher.device), statistics
        self._rival = Renormalised(self.student, (teacher.mean, teacher.std), statistics)
        self._optimizer = make_optimizer(settled, self.student)
        self._best = BestStudent(self.student, self._optimizer)
        self._lost = False

    @contextmanager
    def training(self) -> Iterator[None]:
        with training_layout(self.student):
            self.student.train()
            yield

    def step(self, batch: tuple[Any, ...], moment: Moment) -> None:  # noqa: ARG002
        plan = self._plan
        opposed = number(plan.adversarial) > 0 and moment.step >= plan.adversarial_from * moment.steps
        rival = self._rival if opposed or self.options.through == "student" else None
        made = self._make(moment, rival, number(plan.adversarial))
        joint = plan.preset == "dafl-paper"
        if self._lost or (made is None if joint else not len(self.bank)):
            return
        losses = []
        for at in range(self._steps):
            place = (moment.step * self._steps + at, moment.steps * self._steps, moment.steps_per_epoch * self._steps)
            set_learning_rate(self._optimizer, self.control.student_rate * learning_rate(plan, *place))
            losses.append(self._learn(*(self._shown(made) if joint and made is not None else self._drawn())))
        self._lost = not torch.stack(losses).sum().isfinite()
        if not self._lost or self._best.kl is None:  # with nothing to go back to the loop ends the training
            for loss in losses:
                self._sums.add({"loss": loss})

    def figures(self) -> Mapping[str, float]:
        return {**super().figures(), "learning_rate": self._optimizer.param_groups[0]["lr"]}

    def probe(self) -> dict[str, float]:
        """``probe_kl`` (nats) and ``probe_agreement`` (0..1) of student and teacher on images that nobody trains on."""
        pixels_NCHW, taught_NC = self.bank.part("validation")
        logits_NC = answer_all(self.student, pixels_NCHW, self._statistics)
        return {"probe_kl": divergence(logits_NC, taught_NC), "probe_agreement": agreement(logits_NC, taught_NC)}

    def validate(self) -> tuple[str, float]:
        return "probe_agreement", self.probe()["probe_agreement"]

    def select(self) -> float:
        """Gives the student the weights of its best evaluation, whose divergence comes back (nats)."""
        self._best.give()
        return math.inf if self._best.kl is None else self._best.kl

    def _look(self, fresh: Fresh) -> Reading:
        reading = super()._look(fresh)
        if not self.bank.part("validation")[0].numel():
            return reading
        probed, answers_NC = self.probe(), answer_all(self.student, fresh.pixels_NCHW, self._statistics)
        return replace(
            reading,
            fresh_agreement=agreement(answers_NC, fresh.logits_NC),
            training_loss=self._sums.means().get("loss"),
            probe_kl=probed["probe_kl"],
            probe_agreement=probed["probe_agreement"],
            kept_kl=self._keep_up(),
        )

    def ask_best(self, pixels_NCHW: Tensor, taught_NC: Tensor) -> float:
        """The divergence (nats) of the best student so far from the teacher on these images."""
        return divergence(answer_all(self.student, pixels_NCHW, self._statistics, self._best.weights), taught_NC)

    def _keep_up(self) -> float | None:
        """The divergence of the best student so far on the probe as it is now."""
        if self._best.kl is not None:
            self._best.kl = self.ask_best(*self.bank.part("validation"))
        return self._best.kl

    def _act(self, reading: Reading) -> None:
        lowest = self._optimizer.param_groups[0]["lr"] <= _LOWEST * self.control.student_rate * self._rate()
        student, self._finished = self.control.act(reading, at_lowest_rate=lowest or self._plan.schedule == "constant")
        if student == "keep":
            self._best.keep(reading.probe_kl)
        elif student == "go back":
            self._best.go_back()
        self._lost = False

    def _rate(self) -> float:
        return number(self._plan.learning_rate)

    def state(self) -> dict[str, Any]:
        student = {"student": self.student.state_dict(), "optimizer": self._optimizer.state_dict()}
        return {**super().state(), **student, "best": self._best.state(), "lost": self._lost}

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self.student.load_state_dict(state["student"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._best.load(state["best"])
        self._lost = state["lost"]

    def identity(self) -> Mapping[str, str]:
        shapes = [(name, tuple(value.shape)) for name, value in self.student.state_dict().items()]
        return {**super().identity(), "net": digest_of(shapes)}

    def _learn(self, image_BCHW: Tensor, taught_BC: Tensor) -> Tensor:
        """The loss before one step of the student towards what the teacher says of the images."""
        self._optimizer.zero_grad()
        with autocast(self._plan.precision, self.teacher.device):
            logits_BC = self.student(image_BCHW)
        loss = kd_loss(logits_BC, taught_BC, number(self._plan.temperature))
        loss.backward()
        if self._plan.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.student.parameters(), self._plan.clip_norm)
        self._optimizer.step()
        return loss.detach()

    def _drawn(self) -> tuple[Tensor, Tensor]:
        """Images of the bank as the student reads them, and what the teacher says of the same."""
        pixels_BCHW, taught_BC = self.bank.draw(self._plan.batch_size)
        if changes(self._plan.augment):
            height, width = pixels_BCHW.shape[2:]
            views = draw_views(len(pixels_BCHW), self._plan.augment, (height, width), torch.default_generator)
            pixels_BCHW = apply_views(pixels_BCHW, views)
            taught_BC, _ = self.teacher.answer(pixels_BCHW, {})
        device = self.teacher.device
        return normalise(pixels_BCHW.to(device), *self._statistics), taught_BC.to(device)

    def _shown(self, made: Made) -> tuple[Tensor, Tensor]:
        """The images that the generator has just made, not yet rounded to pixels, as in the authors' code."""
        return self._rival.translate(made.image_BCHW), made.logits_BC


def changes(augment: Augmentation) -> bool:
    """Whether an image is shown in more views than one."""
    return augment != Augmentation(crop=0, flip=False)
