"""Nets whose logits of an image are not a row of its own, or that decide by its values."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kdsearch.errors import SpecError
from kdsearch.models.given import Trial, make_plain

IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
TRIAL = Trial(IMAGES, 5)


class Net(nn.Module):
    """Two convolutions and a head; ``between`` works on the maps, ``head`` on them and the last layer."""

    def __init__(self, between=lambda x: x, head=lambda x, last: last(x.mean((2, 3)))):
        super().__init__()
        self.a, self.b, self.last = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 3), nn.Linear(16, 5)
        self.between, self.head = between, head

    def forward(self, x):
        return self.head(self.between(F.relu(self.b(F.relu(self.a(x))))), self.last)


def squeezed(x, last):
    return last(F.adaptive_avg_pool2d(x, 1).squeeze())


def folded(x, last):
    return last(x.mean((2, 3))).reshape(2, 5)


def picked_by_mask(x):
    return x * x[x > 0].mean()


def written_then_read(x):
    held = torch.zeros_like(x)
    held[:, 0] = x[:, 0]
    return x * 2 if held.mean().item() > 0 else x


READING = {
    "if": lambda x: x * 2 if x.mean() > 0 else x,
    "item": lambda x: x * x.max().item(),
    "tolist": lambda x: x * x.mean((1, 2, 3)).tolist()[0],
    "numpy": lambda x: x * float(x.detach().numpy().mean()),
    "nonzero": lambda x: x * len(x.nonzero()),
    "mask": picked_by_mask,
    "unique": lambda x: x * len(x.unique()),
    "a number of channels": lambda x: torch.cat((x[:, : 1 + int(x.argmax() % 2)], x), 1)[:, :16],
    "written first": written_then_read,
}


def refusal(net):
    with pytest.raises(SpecError) as raised:
        make_plain(net, TRIAL)
    line = str(raised.value)
    assert line.startswith("student: the module that was passed ")
    assert "\n" not in line
    return line


@pytest.mark.parametrize("how", READING)
def test_a_net_that_decides_by_values_of_its_images_is_refused(how):
    assert "decides by values of its images what to compute" in refusal(Net(READING[how]))


def test_a_net_that_loses_the_dimension_of_a_single_image_is_refused():
    assert "gives (5,) for a single image and (2, 5) for 2; keep the dimension" in refusal(Net(head=squeezed))


def test_a_net_of_one_size_of_batch_is_refused():
    assert "does not run on a single image: shape '[2, 5]' is invalid" in refusal(Net(head=folded))


@pytest.mark.parametrize("mix", [lambda x: x - x.mean(0), lambda x: x / x.std(), lambda x: F.softmax(x, 0)])
def test_a_net_that_answers_by_the_other_images_is_refused(mix):
    assert "answers otherwise for an image alone than beside others" in refusal(Net(mix))


@pytest.mark.parametrize(
    "between",
    [
        lambda x: torch.where(x > x.mean((1, 2, 3), keepdim=True), x, 0 * x),
        lambda x: x * torch.tensor([2.0]).item(),
        lambda x: F.pad(x, (0, int(torch.tensor(1)))),
        lambda x: x.masked_fill(x < 0, 0.0),
    ],
)
def test_what_reads_no_value_of_an_image_stays(between):
    make_plain(Net(between), TRIAL)
