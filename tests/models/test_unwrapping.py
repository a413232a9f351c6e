"""What stands around a net or its parameters comes off; its function stays."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.optim.swa_utils import AveragedModel

from kdsearch.models.unwrapping import drop_hooks, unwrap_children, unwrap_layers, unwrap_root

IMAGES = torch.randn(3, 4)


def linear(**trained: bool) -> nn.Linear:
    layer = nn.Linear(4, 4)
    for name, is_trained in trained.items():
        getattr(layer, name).requires_grad_(is_trained)
    return layer


def test_wrappers_come_off_however_many_there_are():
    net = linear()
    assert unwrap_root(nn.DataParallel(AveragedModel(nn.DataParallel(net)).module)).weight.equal(net.weight)
    assert unwrap_root(net) is net


def test_wrapped_parts_of_a_net_come_off_too():
    inner = linear()
    net = nn.Sequential(nn.DataParallel(inner), nn.ReLU())
    assert unwrap_children(net) == ["wrappers taken off 1 layers"]
    assert net[0] is inner
    assert unwrap_children(net) == []


def pruned(layer: nn.Module) -> nn.Module:
    return prune.l1_unstructured(layer, "weight", amount=0.5)


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (parametrizations.weight_norm, "parametrizations written into the weights (1)"),
        (parametrizations.orthogonal, "parametrizations written into the weights (1)"),
        (nn.utils.spectral_norm, "weight_norm or spectral_norm written into the weights (1)"),
        (pruned, "pruning masks written into the weights, which may grow again (1)"),
    ],
)
@pytest.mark.parametrize("is_trained", [True, False])
def test_layers_get_plain_weights_of_the_same_function_frozen_where_they_were(wrap, said, is_trained):
    net = nn.Sequential(wrap(linear(weight=is_trained))).eval()
    with torch.no_grad():
        expected = net(IMAGES)
    assert unwrap_layers(net, IMAGES) == [said]
    assert isinstance(net[0]._parameters["weight"], nn.Parameter)
    assert net[0].weight.requires_grad is is_trained
    assert sorted(net.state_dict()) == ["0.bias", "0.weight"]
    with torch.no_grad():
        assert torch.allclose(net(IMAGES), expected, atol=1e-6)


def test_a_batch_norm_over_processes_becomes_one_for_its_input():
    net = nn.Sequential(nn.SyncBatchNorm(4)).eval()
    assert unwrap_layers(net, IMAGES) == ["SyncBatchNorm became BatchNorm (1)"]
    assert type(net[0]) is nn.BatchNorm1d
    maps = nn.Sequential(nn.SyncBatchNorm(4)).eval()
    unwrap_layers(maps, torch.randn(2, 4, 3, 3))
    assert type(maps[0]) is nn.BatchNorm2d


def test_only_hooks_that_watch_come_off():
    net = nn.Sequential(linear(), linear())
    seen = []
    net[0].register_forward_hook(lambda *_: seen.append(1))
    net[1].register_forward_hook(lambda *given: given[2] + 1)
    with torch.no_grad():
        assert drop_hooks(net, lambda: [net(IMAGES)]) == ["hooks that only watch taken off 1 modules"]
    assert not net[0]._forward_hooks
    assert net[1]._forward_hooks
    assert drop_hooks(linear(), lambda: []) == []
