"""Gradients where a teacher only answers: compared with those that the same teacher has."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.datafree.black_box import Renormalised, borrow_gradients, difference_logits


@pytest.fixture(autouse=True)
def _own_numbers():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def bowl() -> nn.Module:
    """Smooth in its images, so that small differences tell its slope."""
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16, 3)).requires_grad_(False)


def slope(logits_BC, image):
    return torch.autograd.grad(logits_BC.softmax(1)[:, 0].log().sum(), image)[0]


def test_borrowed_gradients_are_the_rivals_at_the_teachers_answers():
    image = torch.randn(5, 1, 4, 4, requires_grad=True)
    teacher, rival = bowl(), bowl()
    found = borrow_gradients(teacher(image).detach(), rival(image))
    torch.testing.assert_close(found, teacher(image))
    # by hand: the derivative of log softmax at the teacher's logits, through the rival's layers
    outer_BC = torch.tensor([1.0, 0, 0]) - teacher(image).softmax(1).detach()
    wanted = torch.autograd.grad((rival(image) * outer_BC).sum(), image)[0]
    torch.testing.assert_close(slope(found, image), wanted)


def test_differences_along_many_directions_tell_the_gradient():
    net, image = bowl(), torch.randn(3, 1, 4, 4, requires_grad=True)
    wanted = slope(net(image), image)
    found = slope(difference_logits(lambda each: net(each).detach(), image, 4000), image)
    # 4000 directions in 16 dimensions: an error of about sqrt(16 / 4000) of the gradient's length
    assert float((found - wanted).norm() / wanted.norm()) < 0.15


def test_each_image_is_asked_about_once_and_once_more_along_each_direction_when_gradients_are_wanted():
    net, asked = bowl(), []

    def ask(image):
        asked.append(len(image))
        return net(image).detach()

    image = torch.randn(3, 1, 4, 4, requires_grad=True)
    logits = difference_logits(ask, image, 2)
    torch.testing.assert_close(logits, net(image))
    assert asked == [3]
    slope(logits, image)
    assert asked == [3, 3, 3]


def test_a_net_sees_the_same_pixels_however_they_were_normalised():
    net, pixels = bowl(), torch.rand(4, 1, 4, 4)
    given, read = ((0.5,), (0.25,)), ((0.1,), (0.3,))
    again = Renormalised(net, given, read)((pixels - 0.5) / 0.25)
    torch.testing.assert_close(again, net((pixels - 0.1) / 0.3), rtol=1e-5, atol=1e-5)
