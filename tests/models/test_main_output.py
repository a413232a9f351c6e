# ruff: noqa: ARG005 - every form is handed logits and features
"""The logits among all that a net gives."""

from __future__ import annotations

from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from kdsearch.errors import SpecError
from kdsearch.models.main_output import find_outputs, keep_evaluated_output, keep_main_output

IMAGES = torch.randn(2, 4)
Pair = namedtuple("Pair", "main aux")


class Giving(nn.Module):
    """Gives what ``form`` makes of its logits (2, 3) and some features (2, 5)."""

    def __init__(self, form, in_training=None) -> None:
        super().__init__()
        self.logits, self.features = nn.Linear(4, 3), nn.Linear(4, 5)
        self.form, self.in_training = form, in_training or form

    def forward(self, x):
        return (self.in_training if self.training else self.form)(self.logits(x), self.features(x))


@pytest.mark.parametrize(
    ("output", "paths"),
    [
        (torch.ones(1), [()]),
        ((torch.ones(1), [torch.ones(2)]), [(0,), (1, 0)]),
        ({"logits": torch.ones(1), "more": {"aux": torch.ones(1)}}, [("logits",), ("more", "aux")]),
        (Pair(torch.ones(1), torch.ones(1)), [("main",), ("aux",)]),
        (SimpleNamespace(logits=torch.ones(1), loss=None), [("logits",)]),
        (None, []),
    ],
)
def test_tensors_are_found_by_their_paths(output, paths):
    assert list(find_outputs(output)) == paths


@pytest.mark.parametrize(
    "form",
    [
        lambda logits, features: logits,
        lambda logits, features: (features, logits),
        lambda logits, features: {"features": features, "scores": logits},
        lambda logits, features: Pair(main=logits, aux=2 * logits),  # two fit, one has the name
        lambda logits, features: [[features], [logits]],
    ],
)
def test_a_net_gives_its_logits_alone(form):
    net = Giving(form)
    keep_main_output(net, IMAGES, 3, "the net")
    expected = net.logits(IMAGES)
    assert torch.equal(net.eval()(IMAGES), expected)
    assert torch.equal(net.train()(IMAGES), expected)


def test_in_training_the_output_that_equals_the_one_of_evaluation_is_kept():
    net = Giving(lambda logits, features: logits, lambda logits, features: (2 * logits, logits))
    keep_main_output(net, IMAGES, 3, "the net")
    assert torch.equal(net.train()(IMAGES), net.logits(IMAGES))


def test_a_net_that_is_only_evaluated_needs_no_output_in_training():
    net = Giving(lambda logits, features: (features, logits), lambda logits, features: features).eval()
    keep_evaluated_output(net, IMAGES, 3, "the teacher")
    assert torch.equal(net(IMAGES), net.logits(IMAGES))


@pytest.mark.parametrize(
    ("form", "in_training", "said"),
    [
        (lambda logits, features: features, None, r"the net gives \(2, 5\) for 2 images, the task has 3 classes"),
        (lambda logits, features: None, None, "the net gives no tensor for 2 images"),
        (lambda logits, features: (logits, logits), None, "gives 2 tensors of 3 columns; let its forward return"),
        (
            lambda logits, features: logits,
            lambda logits, features: (2 * logits, 3 * logits),
            "gives 2 tensors in training, and none of them is what it gives in evaluation",
        ),
    ],
)
def test_where_nothing_tells_which_is_meant_there_is_a_line(form, in_training, said):
    with pytest.raises(SpecError, match=said):
        keep_main_output(Giving(form, in_training), IMAGES, 3, "the net")
