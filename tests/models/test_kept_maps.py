"""Maps that a forward keeps are let go of."""

from __future__ import annotations

import torch
from torch import nn

from kdsearch.models.kept_maps import let_go_of_maps

IMAGES = torch.randn(2, 4)


class Keeping(nn.Module):
    """Keeps a map, a growing list of them, a tuple and a mapping."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 3)
        self.maps, self.by_name = ["a word"], {"size": 3}
        self.last = self.pair = None

    def forward(self, x):
        y = self.body(x)
        self.last, self.pair = y, (y, 7)
        self.maps.append(y)
        self.by_name["map"] = y
        return y


def test_nothing_is_done_to_a_net_that_keeps_nothing():
    net = nn.Linear(4, 3)
    assert let_go_of_maps(net, IMAGES) == []
    assert not net._forward_hooks


def test_after_each_forward_nothing_holds_a_graph_and_lists_do_not_grow():
    net = Keeping()
    (said,) = let_go_of_maps(net, IMAGES)
    assert said == "what its forward keeps in maps, by_name, last, pair is let go of"
    for _ in range(3):
        output = net(IMAGES)
    assert output.grad_fn is not None
    assert torch.equal(net.last, output)
    assert net.last.grad_fn is None
    assert net.pair[0].grad_fn is None
    assert net.pair[1] == 7
    assert net.maps == ["a word"]
    assert net.by_name == {"size": 3}


def test_maps_of_inner_modules_are_named_with_their_path():
    (said,) = let_go_of_maps(nn.Sequential(Keeping()), IMAGES)
    assert "0.last" in said
