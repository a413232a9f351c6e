"""Nets that deepcopy refuses are copied, and what a copy holds is its own."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from kdsearch.tracing.copying import copy_net, graph_tensors, inner_values, is_lazy


class Keeping(nn.Linear):
    """Keeps what it computed, in a list and as itself."""

    def __init__(self) -> None:
        super().__init__(2, 2)
        self.kept = []

    def forward(self, x):
        self.last = super().forward(x)
        self.kept.append({"map": self.last})
        return self.last


def test_tensors_of_a_graph_lose_it_in_the_copy_and_keep_it_in_the_original():
    net = Keeping()
    net(torch.ones(1, 2))
    copied = copy_net(net)
    assert copied.last.grad_fn is None
    assert torch.equal(copied.last, net.last)
    assert copied.kept[0]["map"] is copied.last
    assert net.last.grad_fn is not None


def test_the_copys_parameters_are_its_own():
    net = Keeping()
    copied = copy_net(net)
    with torch.no_grad():
        copied.weight.zero_()
    assert not torch.equal(net.weight, copied.weight)


def test_a_lazy_net_is_copied_before_its_first_forward():
    net = nn.LazyLinear(3)
    copied = copy_net(net)
    assert is_lazy(copied.weight)
    assert copied.weight is not net.weight
    assert copied(torch.ones(1, 5)).shape == (1, 3)
    assert is_lazy(net.weight)


def test_what_cannot_be_copied_says_so():
    net = nn.Linear(1, 1)
    net.lock = threading.Lock()
    with pytest.raises(TypeError):
        copy_net(net)


def test_tensors_are_found_in_containers_and_objects_but_not_in_modules():
    tensor = torch.ones(1, requires_grad=True) * 2
    assert list(graph_tensors([{"a": (tensor,)}])) == [tensor]
    assert list(graph_tensors(SimpleNamespace(inner=[tensor]))) == [tensor]
    assert list(graph_tensors([nn.Linear(1, 1), torch.ones(1)])) == []
    assert list(graph_tensors([[[tensor]]], depth=2)) == []


def test_only_containers_and_plain_objects_hold_something():
    assert inner_values({"a": 1}) == [1]
    assert inner_values((1, 2)) == [1, 2]
    assert inner_values("text") == inner_values(3) == []
