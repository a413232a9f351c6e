"""Which nets the table of coverage holds."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.bench.base_coverage_nets import Entry, why_no_cnn
from tests.models.nets import Residual

IMAGE = (3, 16, 16)
pytestmark = pytest.mark.timeout(30)  # milliseconds each on a quiet machine


class Attending(Residual):
    def forward(self, x):
        x = self.stem(x).flatten(2)
        return self.classifier((x @ (x.transpose(1, 2) @ x).softmax(-1)).mean(2))


class Mixing(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches, self.mix, self.classifier = nn.Conv2d(3, 8, 4, 4), nn.Linear(16, 16), nn.Linear(8, 5)

    def forward(self, x):
        return self.classifier(self.mix(self.patches(x).flatten(2)).mean(2))


class Plain(nn.Sequential):
    def __init__(self):
        layers = [nn.Conv2d(3 if at == 0 else 8, 8, 3) for at in range(4)]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


def test_attention_and_mixers_are_no_cnns_and_convolutions_are():
    assert "multiplies activations" in why_no_cnn(Attending(), IMAGE)
    assert "1 convolutions with a kernel above 1" in why_no_cnn(Mixing(), IMAGE)
    assert "recurrent" in why_no_cnn(nn.Sequential(nn.LSTM(3, 3)), IMAGE)
    assert why_no_cnn(Plain(), IMAGE) is None


def test_a_net_that_does_not_run_on_small_images_gets_its_own_size():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 224 * 224, 1))
    assert Entry("any", "timm", "any").image_shape(net) == (3, 224, 224)


def test_image_sizes_follow_the_net():
    net = torch.nn.Identity()
    assert Entry("any", "timm", "any").image_shape(net) == (3, 128, 128)
    net.pretrained_cfg = {"input_size": (3, 240, 240), "fixed_input_size": True}
    assert Entry("any", "timm", "any").image_shape(net) == (3, 240, 240)
