# ruff: noqa: ARG005 - every operation is handed the net and both of its tensors
"""What a traced forward leaves, and that the net is as before."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kdsearch.tracing.swap import Slots
from kdsearch.tracing.tracer import Tracer, shapes_of, tensors_of, units_of_output
from kdsearch.tracing.units import UnitRecorder
from tests.toys import make_toy
from tests.tracing.following import follow


def traced(net: nn.Module, image: torch.Tensor) -> Tracer:
    slots = Slots.of(net)
    tracer = Tracer(net, slots, UnitRecorder())
    tensors = {name: tensor.to(image.device) for name, tensor in slots.tensors().items()}
    tracer.run(tensors, image)
    return tracer


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_layers_are_listed_in_call_order_and_macs_are_pytorchs(device):
    net = make_toy().eval()
    tracer = traced(net, torch.ones(1, 1, 8, 8, device=device))
    calls = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d)]
    assert set(tracer.layers) == set(calls)
    assert next(iter(tracer.layers)) == "stem.0"
    assert list(tracer.layers)[-1] == "classifier"
    with FlopCounterMode(display=False) as counter:
        net(torch.ones(1, 1, 8, 8))
    counted = sum(
        term.coefficient
        * (1 if term.first is None else len(term.first))
        * (1 if term.second is None else len(term.second))
        for term in tracer.terms
    )
    assert counted == counter.get_total_flops() // 2


def test_the_net_is_in_the_mode_and_has_the_hooks_that_it_had():
    net = make_toy().train()
    net.stem[1].eval()
    traced(net, torch.ones(1, 1, 8, 8))
    assert net.training
    assert net.classifier.training
    assert not net.stem[1].training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_a_forward_that_fails_leaves_the_path_to_where_it_failed():
    class Failing(nn.Module):
        def forward(self, _):
            raise ValueError("no")

    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sequential(Failing()))
    tracer = Tracer(net, Slots.of(net), UnitRecorder())
    with pytest.raises(ValueError, match="no"):
        tracer.run(Slots.of(net).tensors(), torch.ones(1, 1, 2, 2))
    assert tracer.failed_in == ("", "1", "1.0")


def test_every_module_has_seen_the_units_that_it_handled():
    tracer = traced(make_toy(), torch.ones(1, 1, 8, 8))
    last = tracer.ledger.ports["last.0:out", 0].tolist()
    assert last in [units.reshape(-1).tolist() for units in tracer.seen["last"].values()]
    assert last not in [units.reshape(-1).tolist() for units in tracer.seen["stem"].values()]


def test_outputs_are_told_in_any_container():
    output = {"logits": torch.ones(2, 3), "more": (torch.ones(1),)}
    assert [tuple(shape) for shape in shapes_of(output)] == [(2, 3), (1,)]
    assert len(list(tensors_of(output))) == 2


def test_the_units_of_the_output_are_those_of_the_last_layer():
    found = follow(lambda net, a, b: (a, b))
    assert [units.tolist() for units in units_of_output(found.tracer, found.output)] == [[1, 2, 3, 4], [5, 6, 7, 8]]
