"""A gene's score: exact statistics, the same every time, dropped early only when it cannot matter."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from kdsearch.data.augment import normalise
from kdsearch.data.images import ImageSet
from kdsearch.pruningnet.generators import Slim
from kdsearch.pruningnet.scoring import calibrated_tensors, score_net
from kdsearch.tasks.classification import Classification
from tests.toys import bars, half, make_task, make_toy, toy_widths

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds
STATISTICS = (0.5,), (0.25,)
JUDGE = Classification


def test_recalibrated_statistics_are_those_of_all_images():
    net = make_toy(trained=True)
    widths = toy_widths(net)
    gene = half(widths)
    batches = list(normalise(bars(50, 3).images_NCHW, *STATISTICS).split(20))
    tensors = calibrated_tensors(net, widths, gene, Slim(net, widths).weights(gene), batches)
    stem = tensors["stem.0.weight"]
    seen = nn.functional.conv2d(torch.cat(batches), stem, padding=1).transpose(0, 1).flatten(1)
    torch.testing.assert_close(tensors["stem.1.running_mean"], seen.mean(1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(tensors["stem.1.running_var"], seen.var(1), rtol=1e-5, atol=1e-6)
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
    found = score_net(Says(), coin(600, 1000), STATISTICS, JUDGE)
    assert found == {
        "accuracy": 0.6,
        "accuracy_stderr": JUDGE.standard_error(600, 600, 1000),
        "images": 1000,
        "dropped": 0,
    }
    assert JUDGE.standard_error(600, 600, 1000) == pytest.approx((601 / 1002 * 401 / 1002 / 1002) ** 0.5)


def test_a_hopeless_candidate_is_dropped_after_the_first_images():
    net = Says()
    found = score_net(net, coin(1000, 2000), STATISTICS, JUDGE, bar=0.8)  # 0.5 + 2.58 * 0.06 < 0.8
    assert found["dropped"] == 1
    assert found["images"] <= net.seen < 400
    assert found["accuracy"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("right", [1000, 1100, 1500, 2000])
def test_a_candidate_whose_upper_end_reaches_the_bar_is_scored_in_full(right):
    images = coin(right, 2000)
    full = score_net(Says(), images, STATISTICS, JUDGE)
    hits = (images.labels_N == 0).cumsum(0).tolist()
    lowest = min(
        right / seen + 2.58 * JUDGE.standard_error(right, right, seen) for seen, right in enumerate(hits, start=1)
    )
    assert score_net(Says(), images, STATISTICS, JUDGE, bar=lowest - 1e-9) == full


def test_nan_is_wrong():
    class Broken(Says):
        def forward(self, image_BCHW):
            return super().forward(image_BCHW) * float("nan")

    assert score_net(Broken(), coin(250, 250), STATISTICS, JUDGE)["accuracy"] == 0


class Sure(Says):
    """As ``Says`` by logits of so many times 0 and 1."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, image_BCHW):
        return self.scale * super().forward(image_BCHW)


def test_the_score_is_the_mean_log_likelihood_of_the_labels():
    found = score_net(Sure(2.0), coin(600, 1000), STATISTICS, JUDGE, by="likelihood")
    right, wrong = -math.log(1 + math.exp(-2)), -math.log(1 + math.exp(2))
    assert found["score"] == pytest.approx(0.6 * right + 0.4 * wrong, rel=1e-6)
    assert found["score_stderr"] == pytest.approx((right - wrong) * (0.6 * 0.4 / 1000) ** 0.5, rel=1e-5)
    assert found["accuracy"] == 0.6
    assert "score" not in score_net(Sure(2.0), coin(600, 1000), STATISTICS, JUDGE)


def test_by_likelihood_a_hopeless_candidate_is_dropped_and_one_that_may_reach_the_bar_is_not():
    images = coin(1000, 2000)
    full = score_net(Sure(2.0), images, STATISTICS, JUDGE, by="likelihood")
    assert full["dropped"] == 0
    again = score_net(Sure(2.0), images, STATISTICS, JUDGE, by="likelihood", bar=full["score"] + full["score_stderr"])
    assert again == full
    dropped = score_net(Sure(2.0), images, STATISTICS, JUDGE, by="likelihood", bar=full["score"] + 0.5)
    assert (dropped["dropped"], dropped["images"] < 400) == (1, True)


@pytest.mark.parametrize("scale", [float("nan"), 1e6])
def test_what_is_no_number_or_sure_and_wrong_costs_no_more_than_a_hundred_nats(scale):
    found = score_net(Sure(scale), coin(0, 250), STATISTICS, JUDGE, by="likelihood")
    assert found["score"] == -100
    assert found["accuracy"] == 0


def test_the_net_is_back_in_its_mode():
    net = make_toy(trained=True).train()
    task = make_task()
    score_net(net, task.images("validation"), (task.mean, task.std), task)
    assert net.training
    assert net.stem[1].training


def test_the_score_on_images_with_targets_is_what_is_expected_of_the_log_likelihood_under_them():
    net, plain = make_toy(), bars(60, 1)  # fresh: no image comes near the hundred nats
    targets_NC = torch.softmax(torch.randn(60, 3, generator=torch.Generator().manual_seed(0)), 1)
    images = ImageSet(plain.images_NCHW, targets_NC.argmax(1), targets_NC)
    found = score_net(net, images, STATISTICS, JUDGE, by="likelihood")
    with torch.no_grad():
        log_NC = net.eval()(normalise(images.images_NCHW, *STATISTICS)).double().log_softmax(1)
    assert found["score"] == pytest.approx(float((targets_NC * log_NC).sum(1).mean()), rel=1e-5)
    assert found["accuracy"] == pytest.approx(float((log_NC.argmax(1) == targets_NC.argmax(1)).double().mean()))
