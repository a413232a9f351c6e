"""What no student can be made of is refused with what to pass instead."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.errors import SpecError
from kdsearch.models.refusing import (
    refuse_foreign_tensors,
    refuse_frozen,
    refuse_hidden_modules,
    refuse_untrainable,
    refuse_unusable,
    refuse_without_gradients,
)

IMAGES = torch.randn(2, 4)


class Forward(nn.Module):
    """A net whose forward is given."""

    def __init__(self, forward, **held) -> None:
        super().__init__()
        self.body = nn.Linear(4, 3)
        self.given = forward
        for name, value in held.items():
            setattr(self, name, value)

    def forward(self, x):
        return self.given(self, x)


def plain() -> nn.Module:
    return Forward(lambda net, x: net.body(x))


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (nn.Linear, r"net is the class Linear; pass a net made of it: Linear\(\)"),
        ([1], "net is a list; pass a torch.nn.Module"),
        (nn.ReLU(), "net has no parameter; pass a net with convolutions"),
        (nn.Linear(2, 2, device="meta"), r"lies on the meta device, without values; .* \(at weight\)"),
        (nn.Linear(2, 2, dtype=torch.complex64), "has torch.complex64 parameters; pass a net of real numbers"),
        (nn.Sequential(torch.ao.nn.quantized.Quantize(1.0, 0, torch.quint8)), r"is converted to int8; .*\(at 0\)"),
    ],
)
def test_what_is_no_plain_net_is_refused_by_its_kind(net, said):
    with pytest.raises(SpecError, match=said):
        refuse_unusable(net, "net")


def test_layers_that_torch_does_not_see_are_named_with_where_they_are_kept():
    refuse_hidden_modules(plain(), "net")
    with pytest.raises(SpecError, match=r"keeps layers in blocks, where torch does not see them; use nn.ModuleList"):
        refuse_hidden_modules(Forward(None, blocks=[{"a": nn.Linear(4, 4)}]), "net")
    net = plain()
    net.same = [net.body]  # it knows that one
    refuse_hidden_modules(net, "net")


def test_a_forward_that_training_cannot_run_is_refused():
    refuse_untrainable(plain(), IMAGES, "net")

    def wants_labels(net, x):
        if net.training:
            raise ValueError("no labels")
        return net.body(x)

    with pytest.raises(SpecError, match="does not run in training mode: no labels; let its forward take images"):
        refuse_untrainable(Forward(wants_labels), IMAGES, "net")


def test_a_backward_pass_that_fails_or_reaches_nothing_is_refused():
    net = plain()
    refuse_without_gradients(net, IMAGES, "net")
    assert net.body.weight.grad is None
    with pytest.raises(SpecError, match=r"its backward pass fails: .*; change what it does in place"):
        refuse_without_gradients(Forward(lambda net, x: (y := net.body(x).exp()) * y.mul_(2)), IMAGES, "net")
    with pytest.raises(SpecError, match="what it gives depends on no parameter; do not detach it"):
        refuse_without_gradients(Forward(lambda net, x: net.body(x).detach()), IMAGES, "net")


def test_a_copy_that_computes_with_the_originals_parameters_is_refused():
    refuse_foreign_tensors(plain(), IMAGES, "net")
    original = nn.Linear(4, 3)
    patched = nn.Sequential(nn.Linear(4, 3))
    patched[0].forward = original.forward
    with pytest.raises(SpecError, match="does not compute with its own parameters once it is copied"):
        refuse_foreign_tensors(patched, IMAGES, "net")


def test_a_frozen_net_is_refused_and_a_partly_frozen_one_is_not():
    net = plain()
    net.body.bias.requires_grad_(False)
    refuse_frozen(net, "net")
    with pytest.raises(SpecError, match=r"net is frozen: .*: net.requires_grad_\(True\)"):
        refuse_frozen(net.requires_grad_(False), "net")
