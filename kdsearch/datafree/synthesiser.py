"""Generators that learn to make images which a teacher is sure about; they see no image and no label.

B: batch, C: channels of images, classes of logits, H and W: pixels.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.data.seeds import seeded
from kdsearch.datafree.black_box import borrow_gradients, difference_logits
from kdsearch.datafree.taps import SynthesisTaps, kept_norms
from kdsearch.losses import synthesis as losses
from kdsearch.measures.evaluation import evaluating
from kdsearch.models.dafl_generator import DaflGenerator
from kdsearch.spec.synthesis_sections import SynthesisOptions
from kdsearch.spec.terms import number
from kdsearch.teaching.file_net import FileNet
from kdsearch.teaching.taps import default_embedding
from kdsearch.teaching.teachers import Teacher
from kdsearch.training.optim import set_learning_rate

_log = logging.getLogger(__name__)
_BETAS = (0.9, 0.999)
_NOISE_RATE = 0.015  # of the noise that belongs to one batch, as in the code of FastDFKD
_LAYOUT = torch.channels_last  # two thirds of the time of a step on a CPU, narrow as the generators are
_WEIGHTED = ("one_hot", "entropy", "activation", "batch_norm", "smooth")


@dataclass(frozen=True, slots=True)
class Made:
    """A batch of images as the generator gave them, and as pixels, without gradients.

    ``logits_BC``: what the teacher says of the images; ``answers_BC``: of the pixels. ``loss``: what the generator
    lowers; ``losses``: its parts before their weights, by their names.
    """

    image_BCHW: Tensor
    pixels_BCHW: Tensor
    logits_BC: Tensor
    answers_BC: Tensor
    loss: Tensor
    losses: Mapping[str, Tensor]


class Synthesiser:
    """The generators of ``options``, which take turns, each with its own optimiser."""

    def __init__(self, teacher: Teacher, shape: tuple[int, int, int], options: SynthesisOptions, seed: int) -> None:
        self.teacher, self.shape, self.options = teacher, shape, options.settled({})
        self.rate_share = 1.0
        """What share of the learning rate is used: a generator that went wrong goes on more slowly."""
        self._weights = {name: number(getattr(self.options, name)) for name in _WEIGHTED}
        inside = teacher.gives == "everything"
        if not inside:
            _log.warning("%s only answers: images are made without the losses that read inside it", teacher.name)
        self._uses_norms = inside and self._weights["batch_norm"] > 0 and bool(kept_norms(teacher.net))
        self._feature = _reader(teacher.net) if inside and self._weights["activation"] > 0 else None
        self.count_from(0)
        self.renew(seed)

    @property
    def queries(self) -> int:
        """How many images a teacher that is a file was asked about; 0 of any other, which nobody counts."""
        return self._asked + _count_queries(self.teacher) - self._counted

    def count_from(self, queries: int) -> None:
        """Goes on counting from so many."""
        self._asked, self._counted = queries, _count_queries(self.teacher)

    def renew(self, seed: int) -> None:
        """All generators begin again, from another seed."""
        device, options = self.teacher.device, self.options
        with seeded(seed, torch.device("cpu")):
            self.generators = [
                DaflGenerator(options.noise, self.shape, round(number(options.width)))
                .to(device)
                .to(memory_format=_LAYOUT)
                for _ in range(options.generators)
            ]
        self._optimizers = [
            torch.optim.Adam(net.parameters(), lr=number(options.learning_rate), betas=_BETAS)
            for net in self.generators
        ]

    def step(self, turn: int, rival: nn.Module | None = None, rivalry: float = 0.0) -> Made:
        """One update of the generator whose turn it is, and the images that it made before it.

        ``rival``: the student, which the images should find at odds with the teacher by the weight ``rivalry``, or
        whose gradients are taken where the teacher gives none.
        """
        at = turn % len(self.generators)
        generator, optimizer = self.generators[at], self._optimizers[at]
        set_learning_rate(optimizer, self._rate)
        if self.options.meta_generator:
            return self._step_meta(generator, optimizer, rival, rivalry)
        noise_BZ = self._noise(generator, self.options.batch_size)
        return self._descend(generator, optimizer, noise_BZ, rival, rivalry)

    @property
    def _rate(self) -> float:
        return number(self.options.learning_rate) * self.rate_share

    def _step_meta(
        self, generator: DaflGenerator, optimizer: torch.optim.Optimizer, rival: nn.Module | None, rivalry: float
    ) -> Made:
        """Moves a copy of the generator, and its noise, towards one batch, and then the generator towards the copy.

        Fang et al. 2022 (algorithm 1), by the first-order rule of Reptile: what batches have in common stays in the
        generator, so that a few steps are enough for the next one.
        """
        fast = copy.deepcopy(generator)
        noise_BZ = self._noise(generator, self.options.batch_size).requires_grad_()
        groups: list[dict[str, Any]] = [
            {"params": fast.parameters()},
            {"params": [noise_BZ], "lr": _NOISE_RATE * self.rate_share},
        ]
        steps = torch.optim.Adam(groups, lr=self._rate, betas=_BETAS)
        for _ in range(self.options.meta_generator):
            made = self._descend(fast, steps, noise_BZ, rival, rivalry)
        for kept, moved in zip(generator.parameters(), fast.parameters(), strict=True):
            kept.grad = (kept - moved).detach()
        optimizer.step()
        for statistic, found in zip(generator.buffers(), fast.buffers(), strict=True):
            statistic.copy_(found)
        return made

    def _descend(
        self,
        generator: DaflGenerator,
        optimizer: torch.optim.Optimizer,
        noise_BZ: Tensor,
        rival: nn.Module | None,
        rivalry: float,
    ) -> Made:
        image_BCHW = generator.train()(noise_BZ)
        pixels_BCHW = to_pixels(image_BCHW.detach(), self.teacher.mean, self.teacher.std)
        answers_BC, _ = self.teacher.answer(pixels_BCHW, {})
        with SynthesisTaps(self.teacher.net, self._feature, batch_norms=self._uses_norms) as taps:
            logits_BC = self._ask(image_BCHW, answers_BC, rival)
            feature, distances = taps.take()
        found = self._losses(image_BCHW, logits_BC, feature, distances)
        weights = self._weights
        if rival is not None and self.options.through != "student":
            found["adversarial"] = losses.disagreement_loss(_answer(rival, image_BCHW), logits_BC)
            weights = weights | {"adversarial": rivalry}
        loss = torch.stack([weights[name] * value for name, value in found.items()]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        parts = {name: value.detach() for name, value in found.items()}
        return Made(image_BCHW.detach(), pixels_BCHW, logits_BC.detach(), answers_BC, loss.detach(), parts)

    def _ask(self, image_BCHW: Tensor, answers_BC: Tensor, rival: nn.Module | None) -> Tensor:
        """The teacher's logits with the gradients that the generators shall learn by."""
        if self.options.through == "differences":
            return difference_logits(self.teacher.logits, image_BCHW, self.options.directions)
        if self.options.through == "student":
            if rival is None:
                raise ValueError("through: student needs a student")
            return borrow_gradients(answers_BC, _answer(rival, image_BCHW))
        return self.teacher.logits(image_BCHW)

    def sample(self, count: int) -> Tensor:
        """Fresh images as pixels, as many from each generator; no generator is changed."""
        share = -(-count // len(self.generators))
        with torch.no_grad():
            made = [generator(self._noise(generator, max(2, share))) for generator in self.generators]
        return to_pixels(torch.cat(made)[:count], self.teacher.mean, self.teacher.std)

    def state(self) -> dict[str, Any]:
        return {
            "generators": [generator.state_dict() for generator in self.generators],
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "rate_share": self.rate_share,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        for generator, kept in zip(self.generators, state["generators"], strict=True):
            generator.load_state_dict(kept)
        for optimizer, kept in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.rate_share = state["rate_share"]

    def _noise(self, generator: DaflGenerator, count: int) -> Tensor:
        """Noise of torch's generator of the CPU, so that every device begins with the same."""
        return torch.randn(count, generator.noise).to(self.teacher.device)

    def _losses(
        self, image_BCHW: Tensor, logits_BC: Tensor, feature: Tensor | None, distances: tuple[Tensor, ...]
    ) -> dict[str, Tensor]:
        found = {
            "one_hot": losses.one_hot_loss(logits_BC),
            "entropy": losses.information_entropy_loss(logits_BC),
        }
        if feature is not None:
            found["activation"] = losses.activation_loss(feature)
        if distances:
            found["batch_norm"] = losses.batch_norm_loss(distances)
        if self._weights["smooth"] > 0:
            found["smooth"] = losses.total_variation_loss(image_BCHW)
        return found


def to_pixels(image_BCHW: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Normalised images as uint8, what is too dark or too bright cut off."""
    mean_C, std_C = (torch.tensor(given, device=image_BCHW.device).view(1, -1, 1, 1) for given in (mean, std))
    return (255 * (image_BCHW * std_C + mean_C)).round().clamp(0, 255).to(torch.uint8)


def _count_queries(teacher: Teacher) -> int:
    return teacher.net.queries if isinstance(teacher.net, FileNet) else 0


def _reader(net: nn.Module) -> str:
    """The module whose input is the embedding."""
    return default_embedding(net).removesuffix(":input")


def _answer(rival: nn.Module, image_BCHW: Tensor) -> Tensor:
    """What the student says in evaluation mode; gradients that reach its weights are thrown away later."""
    with evaluating(rival):
        logits_BC: Tensor = rival(image_BCHW)
    return logits_BC
