"""Forecasts from a few timed steps."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from kdsearch.pruningnet.rehearsal import epoch_seconds, image_seconds, short_recipe, training_seconds
from kdsearch.spec.sections import Augmentation, Recipe
from tests.toys import CPU, make_task, make_toy

pytestmark = pytest.mark.timeout(30)
RECIPE = Recipe(batch_size=16, augment=Augmentation(flip=False))


def test_only_as_many_images_are_timed_as_fit_anywhere():
    assert 8 <= short_recipe(Recipe(batch_size=512), (3, 224, 224)).batch_size <= 32
    assert short_recipe(Recipe(batch_size=512), (3, 1024, 1024)).batch_size == 8
    assert short_recipe(Recipe(batch_size=64), (3, 32, 32)).batch_size == 64


def test_an_epoch_is_its_steps_without_those_that_warm_up():
    calls: list[int] = []

    def step(images, labels) -> None:
        calls.append(len(images))
        time.sleep(0.2 if len(calls) <= 2 else 0.01)

    seconds = epoch_seconds(make_task(96), RECIPE, CPU, step, 3)
    assert calls == [16] * 5
    assert 0.06 <= seconds < 0.6  # 6 steps of 10 ms, not of 200


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
