"""A gene's score: exact statistics, the same every time, dropped early only when it cannot matter."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.data.augment import normalise
from kdsearch.data.images import ImageSet
from kdsearch.models.pruningnet import Slim
from kdsearch.training.scoring import accuracy_of, calibrated_tensors, standard_error
from tests.toys import bars, half, make_task, make_toy, toy_widths

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds
STATISTICS = (0.5,), (0.25,)


def test_recalibrated_statistics_are_the_exact_averages():
    net = make_toy(trained=True)
    widths = toy_widths(net)
    gene = half(widths)
    batches = list(normalise(bars(50, 3).images_NCHW, *STATISTICS).split(20))
    tensors = calibrated_tensors(net, widths, gene, Slim(net, widths).weights(gene), batches)
    stem = tensors["stem.0.weight"]
    seen = [nn.functional.conv2d(batch, stem, padding=1) for batch in batches]
    means = torch.stack([each.mean((0, 2, 3)) for each in seen]).mean(0)
    variances = torch.stack([each.transpose(0, 1).flatten(1).var(1) for each in seen]).mean(0)
    torch.testing.assert_close(tensors["stem.1.running_mean"], means, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(tensors["stem.1.running_var"], variances, rtol=1e-5, atol=1e-6)
    assert tensors["stem.1.num_batches_tracked"] == len(batches)


def test_the_nets_own_statistics_and_momentum_rest():
    net = make_toy(trained=True)
    widths = toy_widths(net)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    images = [normalise(bars(24, 3).images_NCHW, *STATISTICS)]
    calibrated_tensors(net, widths, half(widths), Slim(net, widths).weights(half(widths)), images)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.stem[1].momentum == 0.1


class Says(nn.Module):
    """Answers class 1 for bright images, else 0; the first parameter is only there to have a device."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(1))
        self.seen = 0

    def forward(self, image_BCHW):
        self.seen += len(image_BCHW)
        bright = (image_BCHW.mean((1, 2, 3)) > 0).float()
        return torch.stack([1 - bright, bright], 1)


def coin(right: int, count: int) -> ImageSet:
    """Dark images, of which the first in every ``count`` / ``right`` are labelled as ``Says`` answers."""
    labels = torch.ones(count, dtype=torch.int64)
    labels[torch.linspace(0, count - 1, right).round().long()] = 0
    return ImageSet(torch.zeros(count, 1, 2, 2, dtype=torch.uint8), labels)


def test_accuracy_is_the_share_that_is_right():
    found = accuracy_of(Says(), coin(600, 1000), STATISTICS)
    assert found == {"accuracy": 0.6, "accuracy_stderr": standard_error(600, 1000), "images": 1000, "dropped": 0}
    assert standard_error(600, 1000) == pytest.approx((601 / 1002 * 401 / 1002 / 1002) ** 0.5)


def test_a_hopeless_candidate_is_dropped_after_the_first_images():
    net = Says()
    found = accuracy_of(net, coin(1000, 2000), STATISTICS, bar=0.8)  # 0.5 + 2.58 * 0.06 < 0.8
    assert found["dropped"] == 1
    assert found["images"] <= net.seen < 400
    assert found["accuracy"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("right", [1000, 1100, 1500, 2000])
def test_a_candidate_whose_upper_end_reaches_the_bar_is_scored_in_full(right):
    images = coin(right, 2000)
    full = accuracy_of(Says(), images, STATISTICS)
    hits = (images.labels_N == 0).cumsum(0).tolist()
    lowest = min(right / seen + 2.58 * standard_error(right, seen) for seen, right in enumerate(hits, start=1))
    assert accuracy_of(Says(), images, STATISTICS, bar=lowest - 1e-9) == full


def test_nan_is_wrong():
    class Broken(Says):
        def forward(self, image_BCHW):
            return super().forward(image_BCHW) * float("nan")

    assert accuracy_of(Broken(), coin(250, 250), STATISTICS)["accuracy"] == 0


def test_the_net_is_back_in_its_mode():
    net = make_toy(trained=True).train()
    task = make_task()
    accuracy_of(net, task.images("validation"), (task.mean, task.std))
    assert net.training
    assert net.stem[1].training
