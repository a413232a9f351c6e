"""The order in memory of a net that trains."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.measures.layout import image_layout, training_layout


def net(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.Conv2d(width, 8, 3))


def test_wide_convolutions_ask_for_channels_last():
    assert image_layout(net(32)) is torch.channels_last
    assert image_layout(net(31)) is torch.contiguous_format
    assert image_layout(nn.Linear(64, 64)) is torch.contiguous_format


def test_weights_are_plain_again_after_training_whatever_ended_it():
    wide = net(32)
    values = {name: value.clone() for name, value in wide.state_dict().items()}

    def train() -> None:
        with training_layout(wide):
            assert wide[1].weight.is_contiguous(memory_format=torch.channels_last)
            assert not wide[1].weight.is_contiguous()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert wide[1].weight.is_contiguous()
    assert all(torch.equal(value, values[name]) for name, value in wide.state_dict().items())
