"""Taps: one hook each, checked paths, nothing left behind."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.errors import SpecError
from kdsearch.teaching.taps import Taps, default_embedding, flat_embedding


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 3)
        self.idle = nn.Linear(3, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.body(self.body(x)))


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def test_a_tap_is_the_modules_output_or_its_first_input():
    model, image = net(), torch.rand(2, 1, 8, 8)
    with Taps(model, {"map": "1", "embedding": "4:input"}) as taps:
        logits = model(image)
        held = taps.take()
    assert torch.equal(held["map"], torch.relu(model[0](image)))
    assert torch.equal(model[4](held["embedding"]), logits)


def test_gradients_flow_through_a_tap():
    model = net()
    with Taps(model, {"embedding": "4:input"}) as taps:
        model(torch.rand(2, 1, 8, 8))
        taps.take()["embedding"].sum().backward()
    assert model[0].weight.grad.abs().sum() > 0


def test_no_hook_stays_behind():
    model = net()
    with Taps(model, {"map": "1", "embedding": "4:input"}):
        pass
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_take_clears_what_it_gave():
    model = net()
    with Taps(model, {"map": "1"}) as taps:
        model(torch.rand(2, 1, 8, 8))
        taps.take()
        with pytest.raises(SpecError, match=r"taps.map: 1 ran 0 times"):
            taps.take()


@pytest.mark.parametrize(("path", "times"), [("body", 2), ("idle", 0)])
def test_a_module_that_does_not_run_once_is_refused(path, times):
    model = Twice()
    with Taps(model, {"hint": path}) as taps:
        model(torch.rand(2, 3))
        with pytest.raises(SpecError, match=rf"taps.hint: {path} ran {times} times"):
            taps.take()


def test_a_tensor_that_is_changed_in_place_afterwards_is_refused():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))
    with Taps(model, {"before": "0"}) as taps, torch.no_grad():
        model(torch.rand(2, 3))
        with pytest.raises(SpecError, match=r"taps.before: what 0 gives is changed in place"):
            taps.take()


def test_an_unknown_path_names_its_neighbours():
    with pytest.raises(SpecError, match="has no module 'bodi'; name another, such as body"):
        Taps(Twice(), {"hint": "bodi"})


def test_the_default_embedding_is_what_the_classifier_reads():
    assert default_embedding(net()) == "4:input"
    assert default_embedding(nn.Sequential(nn.Conv2d(1, 1, 1))) == "0:input"
    with pytest.raises(SpecError, match="no linear layer"):
        default_embedding(nn.ReLU())


def test_maps_are_averaged_over_pixels_and_tokens_over_places():
    maps = torch.arange(8.0).view(1, 2, 2, 2)
    assert flat_embedding(maps).tolist() == [[1.5, 5.5]]
    assert flat_embedding(torch.arange(4.0).view(1, 2, 2)).tolist() == [[1.0, 2.0]]
    assert flat_embedding(torch.ones(3, 5)).shape == (3, 5)
