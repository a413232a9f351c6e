"""The path of training with the numbers of evaluation, and every module's mode as before."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kdsearch.tracing.modes import training_steadily


class Branching(nn.Module):
    """Takes another path in training, and drops in two ways."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.dropout = nn.BatchNorm1d(3), nn.Dropout(0.9)

    def forward(self, x):
        x = F.dropout(self.dropout(self.norm(x)), 0.9, self.training)
        return x + 1 if self.training else x


def test_the_path_is_trainings_and_nothing_is_dropped_or_counted():
    net, rows = Branching().eval(), torch.randn(4, 3)
    expected = net(rows)
    with training_steadily(net):
        assert torch.equal(net(rows), expected + 1)
    assert int(net.norm.num_batches_tracked) == 0


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_modes_come_back_even_after_an_error(error):
    net = Branching()
    net.norm.eval()
    try:
        with training_steadily(net):
            if error is not None:
                raise error
    except RuntimeError:
        assert error is RuntimeError
    assert (net.training, net.norm.training, net.dropout.training) == (True, False, True)
    assert not torch.equal(F.dropout(torch.ones(100), 0.5), torch.ones(100))
