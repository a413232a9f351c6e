"""A net that learns by one loss and one optimiser, a step at a time."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from kdsearch.spec.sections import Augmentation, Recipe
from kdsearch.training.learner import Moment
from kdsearch.training.net import NetLearner, TaskObjective
from tests.toys import CPU, make_task

RECIPE = Recipe(
    epochs=1,
    batch_size=4,
    learning_rate=0.5,
    momentum=0,
    weight_decay=0,
    schedule="constant",
    augment=Augmentation(flip=False),
)
IMAGES = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0])
MOMENT = Moment(0, 1, 1, 0)


def net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))


def learner(model: nn.Module, **changes: object) -> NetLearner:
    recipe, task = RECIPE.model_copy(update=changes), make_task()
    return NetLearner(model, task, recipe, TaskObjective(task, recipe, 0, CPU), CPU)


def stepped(**changes: object) -> tuple[nn.Module, nn.Module, NetLearner]:
    """A net before and after one step, and what made it."""
    before, after = net(), net()
    made = learner(after, **changes)
    with made.training():
        made.step((IMAGES, LABELS), MOMENT)
    return before, after, made


def gradient(model: nn.Module, smoothing: float = 0.0) -> torch.Tensor:
    loss = nn.functional.cross_entropy(model(IMAGES), LABELS, label_smoothing=smoothing)
    return torch.autograd.grad(loss, model[1].weight)[0]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_step_goes_down_the_gradient_of_the_tasks_loss(smoothing):
    before, after, _ = stepped(label_smoothing=smoothing)
    assert torch.allclose(after[1].weight, before[1].weight - 0.5 * gradient(before, smoothing), atol=1e-6)


def test_the_gradient_is_clipped_to_the_norm_that_the_recipe_allows():
    before, after, _ = stepped(clip_norm=0.01)
    moved = torch.cat(
        [(a - b).detach().flatten() for a, b in zip(after.parameters(), before.parameters(), strict=True)]
    )
    assert moved.norm() == pytest.approx(0.5 * 0.01, rel=1e-4)


def test_its_figures_are_of_the_steps_since_the_epoch_began():
    before, _, made = stepped()
    logits_BC = before(IMAGES).detach()
    right = float((logits_BC.argmax(1) == LABELS).float().mean())
    loss = float(nn.functional.cross_entropy(logits_BC, LABELS))
    assert made.figures() == pytest.approx({"loss": loss, "train_accuracy": right, "learning_rate": 0.5})
    assert made.close_epoch()["loss"] == pytest.approx(loss)
    with made.training():
        made.step((IMAGES, LABELS), MOMENT)
    assert made.figures()["loss"] != pytest.approx(loss)


def test_it_goes_on_from_its_state_as_if_it_had_never_stopped():
    _, whole, made = stepped(momentum=0.9)
    resumed = net()
    other = learner(resumed, momentum=0.9)
    other.load(copy.deepcopy(made.state()))  # as a file would
    for each in (made, other):
        with each.training():
            each.step((IMAGES, LABELS), MOMENT)
    assert torch.equal(whole[1].weight, resumed[1].weight)


def test_a_net_of_other_shapes_is_another_training():
    assert learner(net()).identity() == learner(net()).identity()
    assert learner(net()).identity() != learner(nn.Sequential(nn.Flatten(), nn.Linear(64, 3, bias=False))).identity()


def test_it_is_validated_by_the_tasks_figure():
    model = net()
    name, figure = learner(model).validate()
    assert name == "validation_accuracy"
    assert figure == make_task().evaluate(model, "validation", device=CPU)["accuracy"]
