"""Ways to score a net without training it, trained and measured one after the other against a ground truth.

N: nets.
"""

from __future__ import annotations

import itertools
import time
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import Tensor

from kdsearch.bench.base_agreement import (
    Numbers,
    bootstrap_interval,
    gain_interval,
    gained_truth,
    kendall_tau,
    picked_truth,
)
from kdsearch.bench.base_ground_truth import World
from kdsearch.candidates.repair import draw_for
from kdsearch.candidates.space import Candidate
from kdsearch.pruningnet.generators import Generator
from kdsearch.pruningnet.making import make_generator
from kdsearch.pruningnet.pretraining import pretrain, sort_channels
from kdsearch.pruningnet.scoring import calibrated_tensors, score_net
from kdsearch.pruningnet.supernet import Supernet, train_supernet
from kdsearch.spec.sections import Recipe
from kdsearch.strategies.metapruning import MetaPruning
from kdsearch.study.control import uniform_gene
from kdsearch.training.loop import Setting

_DEFAULT = MetaPruning.Options()
_SANDWICH = 4  # genes of a sandwich step; such a training gets a quarter of the steps, so that all see as many genes
_IMPORTANCE_BATCHES = 8


@dataclass(frozen=True, slots=True)
class Proxy:
    """A way to score a gene without training it. ``trained`` False: crops of the full net, no PruningNet training."""

    generator: str
    init: Literal["scratch", "pretrained"] = "pretrained"
    sampling: Literal["single", "sandwich"] = "single"
    trained: bool = True

    @property
    def label(self) -> str:
        """The proxy's name in the table."""
        return f"{self.generator} {self.init} {self.sampling if self.trained else 'untrained'}"


@dataclass(frozen=True, slots=True)
class Effort:
    """How long the proxies train: epochs of one gene a step, and of the full net where a proxy starts from it."""

    epochs: int = 120
    pretrain_epochs: int = 20

    def recipe(self, world: World, epochs: int) -> Recipe:
        """The ground truth's recipe for another number of epochs."""
        return world.setup.recipe.model_copy(update={"epochs": epochs})


class ProxyTrial:
    """Trains and measures one proxy after the other; the full net is trained once for all that start from it."""

    def __init__(self, world: World, effort: Effort) -> None:
        self.world, self.effort = world, effort
        self.fresh = deepcopy(world.net.state_dict())
        self.pretrained: dict[str, Tensor] | None = None
        self.pretrain_seconds = 0.0

    def row(self, proxy: Proxy, truth_N: Numbers) -> dict[str, Any]:
        self._start(proxy.init)
        began = time.thread_time()
        generator, steps = self._train(proxy)
        trained = time.thread_time() - began + (self.pretrain_seconds if proxy.init == "pretrained" else 0.0)
        began = time.thread_time()
        figures = [self._score(generator, gene) for gene in self.world.genes]
        score_N, accuracy_N = (
            np.array([each[name] for each in figures]) for name in ("score", self.world.task.metric.name)
        )
        scored = (time.thread_time() - began) / score_N.size
        low, high = bootstrap_interval(lambda at: kendall_tau(score_N[at], truth_N[at]), truth_N.size)
        picked = picked_truth(score_N, truth_N)
        return {
            "proxy": proxy.label,
            "generator": proxy.generator,
            "steps": steps,
            "tau": round(kendall_tau(score_N, truth_N), 3),
            "tau_by_accuracy": round(kendall_tau(accuracy_N, truth_N), 3),
            "interval": [round(low, 3), round(high, 3)],
            "pick": round(picked, 4),
            "regret": round(float(truth_N.max()) - picked, 4),
            "gain": round(gained_truth(score_N, truth_N), 4),
            "gain_interval": [round(bound, 4) for bound in gain_interval(score_N, truth_N)],
            "score_mean": round(float(score_N.mean()), 4),
            "score_sd": round(float(score_N.std(ddof=1)), 4),
            "train_seconds": round(trained, 1),
            "score_ms": round(1e3 * scored, 1),
            "scores": np.round(score_N, 4).tolist(),
        }

    def _start(self, init: Literal["scratch", "pretrained"]) -> None:
        """Gives the net its weights."""
        if init == "pretrained" and self.pretrained is None:
            self.world.net.load_state_dict(self.fresh)
            began = time.thread_time()
            self._pretrain()
            self.pretrain_seconds = time.thread_time() - began
            self.pretrained = deepcopy(self.world.net.state_dict())
        weights = self.pretrained if init == "pretrained" else self.fresh
        assert weights is not None
        self.world.net.load_state_dict(weights)

    def _pretrain(self) -> None:
        world = self.world
        recipe = self.effort.recipe(world, self.effort.pretrain_epochs)
        pretrain(world.net, world.task, recipe, Setting(0, world.device))
        batches = world.task.train_batches(recipe, seed=0, device=world.device)
        sort_channels(world.net, world.widths, itertools.islice(batches.epoch(0), _IMPORTANCE_BATCHES))

    def _train(self, proxy: Proxy) -> tuple[Generator, int]:
        world = self.world
        generator = make_generator(proxy.generator, world.net, world.widths)
        if not proxy.trained:
            return generator, 0
        sandwich = proxy.sampling == "sandwich"
        epochs = max(1, self.effort.epochs // _SANDWICH) if sandwich else self.effort.epochs
        supernet = Supernet(world.net, world.widths, generator, distill=sandwich)
        recipe = self.effort.recipe(world, epochs)
        draw = self._sandwich if sandwich else self._single
        train_supernet(supernet, world.task, recipe, draw, Setting(0, world.device))
        return generator, epochs * len(world.task.train_batches(recipe, seed=0, device=world.device))

    def _single(self, rng: np.random.Generator) -> list[Candidate]:
        return [draw_for(self.world.space, self.world.widths.costs, self.world.windows, rng)]

    def _sandwich(self, rng: np.random.Generator) -> list[Candidate]:
        widths = self.world.widths
        ends = [widths.full, uniform_gene(widths, self.world.windows)]
        return [*ends, *(gene for _ in range(_SANDWICH - len(ends)) for gene in self._single(rng))]

    def _score(self, generator: Generator, gene: Candidate) -> dict[str, float]:
        world = self.world
        images = world.task.calibration(_DEFAULT.calibration_images, seed=0, device=world.device)
        batches = images.split(_DEFAULT.batch_size)
        tensors = calibrated_tensors(world.net, world.widths, gene, generator.weights(gene), batches)
        with world.widths.applied(gene, tensors):
            statistics = world.task.mean, world.task.std
            return score_net(world.net, world.task.images("validation"), statistics, world.task, by=_DEFAULT.ranked_by)
