import numpy as np
import torch
from torch import nn

from kdsearch.cost.flops import CostModel, Products, count_bytes, count_macs, count_parameters


def test_depthwise_conv_counts_one_input_channel_per_filter():
    conv = nn.Conv2d(8, 8, kernel_size=3, padding=1, groups=8, bias=False)
    assert count_macs(conv, (8, 4, 4)) == 8 * 3 * 3 * 4 * 4


def test_a_linear_layer_counts_its_weights():
    assert count_macs(nn.Linear(6, 5), (6,)) == 30


def test_counting_leaves_the_training_mode_alone():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    count_macs(net, (1, 5, 5))
    assert net.training
    assert torch.equal(net[1].running_mean, torch.zeros(2))


def test_shared_parameters_count_once_and_buffers_count_as_bytes():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.BatchNorm1d(3))
    net[1].weight = net[0].weight
    assert count_parameters(net) == 9 + 3 + 3 + 6
    assert count_bytes(net) == 4 * (21 + 3 + 3 + 1)


def test_products_of_equal_lengths_are_merged():
    products = Products.of([(2, 1, 2), (3, 2, 1), (5, 0, 1)])
    assert products.coefficient.tolist() == [5, 5]
    assert products.total(np.array([1, 10, 7])) == 5 * 70 + 5 * 10


def test_costs_follow_kept_channels():
    # one convolution 3 -> kept, 3x3 on 4x4, with a bias and one buffer a channel
    model = CostModel(
        base=np.array([1, 0]),
        slope=np.array([[0], [1]]),
        macs=Products.of([(3 * 9 * 16, 1, 0)]),
        parameters=Products.of([(27, 1, 0), (1, 1, 0)]),
        buffers=Products.of([(1, 1, 0)]),
    )
    assert model.costs(np.array([5])) == {"macs": 432 * 5, "parameters": 140, "size_bytes": 4 * 145}
