"""LeNet-5, against the published sizes."""

from __future__ import annotations

import pytest
import torch

from kdsearch.models.lenet import lenet5


def test_it_has_the_61706_parameters_of_the_paper_s_net():
    assert sum(parameter.numel() for parameter in lenet5(10, 1, 1.0).parameters()) == 61_706


@pytest.mark.parametrize("side", [28, 32])
def test_it_takes_digits_of_both_usual_sizes(side):
    assert lenet5(10, 1, 0.5)(torch.zeros(3, 1, side, side)).shape == (3, 10)


def test_width_multiplies_hidden_sizes_and_leaves_classes_alone():
    net = lenet5(10, 3, 2.0)
    sizes = [net.conv1.out_channels, net.conv2.out_channels, net.fc1.out_features, net.fc2.out_features]
    assert sizes == [12, 32, 240, 168]
    assert (net.conv1.in_channels, net.classifier.out_features) == (3, 10)
