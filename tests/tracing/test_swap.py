import torch
from torch import nn

from kdsearch.tracing.swap import Slots, swapped


def test_a_shared_tensor_has_one_name_and_is_swapped_everywhere():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    slots = Slots.of(net)
    assert set(slots.parameters) == {name for name, _ in net.named_parameters()}
    other = torch.zeros(3, 3)
    with swapped(slots, {"0.weight": other}):
        assert net[0].weight is other
        assert net[1].weight is other
    assert net[1].weight is not other


def test_buffers_that_are_not_saved_have_slots():
    net = nn.Module()
    net.register_buffer("mask", torch.ones(2), persistent=False)
    assert Slots.of(net).buffers == ("mask",)
