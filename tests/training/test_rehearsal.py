"""Forecasts from a few timed steps."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from kdsearch.spec.sections import Augmentation, Recipe
from kdsearch.training.learner import Learner
from kdsearch.training.rehearsal import (
    epoch_seconds,
    image_seconds,
    images_an_epoch,
    short_recipe,
    training_seconds,
)
from tests.toys import CPU, make_task, make_toy

pytestmark = pytest.mark.timeout(30)
RECIPE = Recipe(batch_size=16, augment=Augmentation(flip=False))


def test_only_as_many_images_are_timed_as_fit_anywhere():
    assert 8 <= short_recipe(Recipe(batch_size=512), (3, 224, 224)).batch_size <= 32
    assert short_recipe(Recipe(batch_size=512), (3, 1024, 1024)).batch_size == 8
    assert short_recipe(Recipe(batch_size=64), (3, 32, 32)).batch_size == 64


class Sleeper(Learner):
    """Takes 200 ms for each of its first two steps, 10 ms for every other one, and 4 ms to load a batch."""

    stream = 91

    def __init__(self) -> None:
        self.recipe, self.data, self.batches = RECIPE, "bars", self
        self.sizes: list[int] = []

    def __len__(self) -> int:
        return 6

    def epoch(self, number: int, start_step: int = 0):
        for batch in make_task(96).train_batches(RECIPE, 0, CPU).epoch(number, start_step):
            time.sleep(0.004)
            yield batch

    def step(self, batch, moment) -> None:  # noqa: ARG002
        self.sizes.append(len(batch[0]))
        time.sleep(0.2 if len(self.sizes) <= 2 else 0.01)

    def figures(self):
        return {"loss": 0.0}

    def state(self):
        return {}

    def load(self, state) -> None:
        assert not state


def test_an_epoch_is_its_steps_and_their_loading_without_those_that_warm_up():
    learner = Sleeper()
    assert images_an_epoch(make_task(100), RECIPE) == 96
    seconds = epoch_seconds(learner, 96, CPU, 3)
    assert learner.sizes == [16] * 5
    assert 6 * 0.014 <= seconds < 0.6  # 6 steps of 10 ms and 4 ms of loading, not of 200


def test_training_and_classifying_take_time():
    assert training_seconds(make_toy(), make_task(), RECIPE, CPU, 1) > 0
    assert 0 < image_seconds(make_toy().eval(), make_task(), CPU, 1) < 0.1


def test_training_is_timed_in_the_precision_and_layout_that_it_has():
    seen: list[tuple[torch.dtype, bool]] = []
    convolution = nn.Conv2d(1, 32, 3, padding=1)

    def note(module, inputs, output) -> None:
        seen.append((output.dtype, module.weight.is_contiguous(memory_format=torch.channels_last)))

    convolution.register_forward_hook(note)
    net = nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 3))
    for precision in ("fp32", "bf16"):
        training_seconds(net, make_task(), RECIPE.model_copy(update={"precision": precision}), CPU, 1)
    assert seen == [(torch.float32, True)] * 3 + [(torch.bfloat16, True)] * 3
    assert convolution.weight.is_contiguous()
