"""What training from scratch cannot renew of a student is said at planning."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.errors import SpecError
from kdsearch.records import RunPaths
from kdsearch.study.planning import plan
from tests.tiny import tiny_spec
from tests.toys import make_task

pytestmark = pytest.mark.timeout(60)


class Blended(nn.Module):
    """A trained number and a running scale outside any layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.power = nn.Parameter(torch.tensor([1.5]))
        self.register_buffer("scale", torch.ones(()))
        self.head = nn.Linear(16, make_task().num_classes)

    def forward(self, image_BCHW):
        maps_BCHW = self.second(self.first(image_BCHW).relu()) * self.power * self.scale
        if self.training:
            self.scale = self.scale * 0.9 + 0.1 * maps_BCHW.detach().abs().mean()
        return self.head(maps_BCHW.relu().mean((2, 3)))


class Stubborn(nn.Linear):
    """Resets to the length that it was born with."""

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.weight.copy_(torch.zeros(self.out_features, 16))


def planned(folder, net: nn.Module, student: str):
    sets = ("finish.batch_size=24", "strategy.batch_size=24", "limits={macs: 60%, window: null}", f"student={student}")
    return plan(tiny_spec(*sets), RunPaths(folder), task=make_task(), net=net)


@pytest.mark.parametrize("trained", [True, False])
def test_what_cannot_be_drawn_anew_of_a_trained_net_is_warned_of(tmp_path, caplog, trained):
    net = Blended()
    study = planned(tmp_path, net, f"{{net: given, trained: {str(trained).lower()}, divisor: 1}}")
    said = "no fresh values can be drawn for power, scale of given: nets that are trained from scratch start with"
    assert (said in caplog.text) == trained
    for name, value in study.ctx.net.state_dict().items():
        assert torch.equal(value, net.state_dict()[name]), f"trying it changed {name} of the student itself"
    assert net.scale == 1


def test_a_reset_that_fails_on_a_cropped_layer_is_one_line(tmp_path):
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, make_task().num_classes)
    )
    net[4].__class__ = Stubborn
    with pytest.raises(SpecError, match=r"student: given cannot be given fresh weights once it is cropped: .*16"):
        planned(tmp_path, net, "{net: given, divisor: 1}")
