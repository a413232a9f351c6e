"""The trained start of a PruningNet: channels in order of importance, the same net."""

from __future__ import annotations

import copy

import pytest
import torch

from kdsearch.losses.pointwise import cross_entropy
from kdsearch.pruningnet.pretraining import pretrain, sort_channels
from kdsearch.spec.sections import Augmentation, Recipe
from kdsearch.training.loop import Setting
from kdsearch.widths.channel_order import channel_sums
from tests.toys import CPU, bars, make_toy, toy_context, toy_widths

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds


def batches(count: int = 3):
    sets = [bars(24, 20 + at) for at in range(count)]
    return [(each.images_NCHW.float() / 255, each.labels_N) for each in sets]


def importance(net, widths):
    """(sum of w dL/dw over a channel)^2, summed over batches."""
    total = {group.name: torch.zeros(group.width, dtype=torch.float64) for group in widths.groups}
    for images, labels in batches():
        net.zero_grad()
        cross_entropy(net(images), labels, 0.0).backward()
        products = {name: (value * value.grad).detach() for name, value in net.named_parameters()}
        for name, sums in channel_sums(widths, products).items():
            total[name] += sums**2
    return total


def test_the_sorted_net_computes_the_same_and_its_importance_descends():
    net = make_toy(trained=True).train()
    net.dropout.p = 0.0
    widths = toy_widths(net)
    before = importance(copy.deepcopy(net), widths)
    kept = copy.deepcopy(net).eval()
    images = bars(24, 9).images_NCHW.float() / 255
    sort_channels(net, widths, batches())
    with torch.no_grad():
        torch.testing.assert_close(net.eval()(images), kept(images), rtol=1e-5, atol=1e-5)
    assert any(not (score.diff() <= 0).all() for score in before.values())
    for name, score in importance(net.train(), widths).items():
        torch.testing.assert_close(score, before[name].sort(descending=True).values, rtol=1e-3, atol=1e-9, msg=name)


def test_the_order_does_not_depend_on_the_global_generator():
    def sort(noise: int):
        net = make_toy(trained=True)
        net.dropout.p = 0.5
        torch.rand(noise)
        sort_channels(net, toy_widths(net), batches(), seed=4)
        return net.state_dict()

    state = torch.random.get_rng_state()
    first, second = sort(1), sort(50)
    torch.random.set_rng_state(state)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_pretraining_is_done_once(tmp_path):
    ctx = toy_context(tmp_path)
    recipe = Recipe(epochs=6, batch_size=24, augment=Augmentation(flip=False))
    setting = Setting(0, CPU, tmp_path / "pretrained.pt")
    nets = [copy.deepcopy(ctx.net) for _ in range(2)]
    first = pretrain(nets[0], ctx.task, recipe, setting)
    steps: list = []
    second = pretrain(nets[1], ctx.task, recipe, Setting(0, CPU, tmp_path / "pretrained.pt", steps.append))
    assert first == second
    assert steps == []
    assert first["validation_accuracy"] > 0.5
    assert all(torch.equal(value, nets[1].state_dict()[name]) for name, value in nets[0].state_dict().items())
