"""Compact nets are plain copies of a gene's sizes."""

from __future__ import annotations

import torch

from kdsearch.widths.compact import build_compact
from tests.toys import half, make_toy, toy_widths


def test_a_compact_net_owns_contiguous_weights_of_its_sizes():
    net = make_toy()
    space = toy_widths(net)
    gene = half(space)
    compact = build_compact(space.layout, space.decode(gene))
    for name, tensor in compact.state_dict().items():
        assert torch.equal(tensor, space.decode(gene).take(name, net.state_dict()[name]))
        assert tensor.is_contiguous()
    assert compact.point[0].in_channels == gene.values["stem.0"]
    assert compact(torch.ones(2, 1, 8, 8)).shape == (2, 3)
    with torch.no_grad():
        compact.classifier.bias.fill_(7)
    assert not (net.classifier.bias == 7).any()


def test_frozen_parameters_stay_frozen_and_other_tensors_may_be_given():
    net = make_toy()
    net.classifier.bias.requires_grad_(False)
    space = toy_widths(net)
    given = {"classifier.bias": torch.tensor([1.0, 2.0, 3.0])}
    compact = build_compact(space.layout, space.decode(half(space)), given)
    assert not compact.classifier.bias.requires_grad
    assert compact.classifier.weight.requires_grad
    assert compact.classifier.bias.tolist() == [1, 2, 3]
    assert torch.equal(compact.classifier.weight, space.build(half(space)).classifier.weight)
