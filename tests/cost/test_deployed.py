from __future__ import annotations

import warnings

import torch
from torch import nn

from kdsearch.cost.deployed import Deployed, freeze_trace


def test_pixels_are_normalised_channel_by_channel():
    deployed = Deployed(nn.Identity(), mean=(0.1, 0.2), std=(0.5, 0.25))
    pixels = torch.tensor([[[[0.6]], [[0.7]]]])
    torch.testing.assert_close(deployed(pixels), torch.tensor([[[[1.0]], [[2.0]]]]))


def test_dropout_and_batch_norm_are_at_rest_whatever_the_mode_of_the_net_given():
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(0.5)).train()
    pixels = torch.rand(4, 1, 3, 3)
    deployed = Deployed(net, (0.0,), (1.0,))
    assert torch.equal(deployed(pixels), deployed(pixels))
    assert net.training


def test_a_frozen_trace_computes_the_same_and_warns_nobody():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    pixels = torch.rand(1, 1, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frozen = freeze_trace(net, pixels)
    torch.testing.assert_close(frozen(pixels), net(pixels))
    assert not list(frozen.parameters())
