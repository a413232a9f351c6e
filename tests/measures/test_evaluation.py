from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from kdsearch.measures.evaluation import count_confusions, evaluating, judge_logits, share_error

CPU = torch.device("cpu")


class Brightness(nn.Module):
    """Class 0 for bright images; nan for the very dark."""

    def forward(self, image_BCHW):
        bright = image_BCHW.mean((1, 2, 3))
        logits = torch.stack([bright, -bright, bright * 0 - 9], 1)
        return torch.where(bright.unsqueeze(1) < -0.2, torch.nan, logits)


def test_accuracy_loss_and_error_are_those_of_one_pass(bars_task, make_net):
    net = make_net(0)
    figures = bars_task.evaluate(net, "validation", device=CPU, batch_size=7)
    part = bars_task.images("validation")
    logits = net.eval()((part.images_NCHW.float() / 255 - 0.3) / 0.3).detach()
    share = float((logits.argmax(1) == part.labels_N).double().mean())
    assert figures["accuracy"] == pytest.approx(share)
    known = (60 * share + 1) / 62  # one right and one wrong answer more
    assert figures["accuracy_stderr"] == pytest.approx((known * (1 - known) / 62) ** 0.5)
    assert figures["loss"] == pytest.approx(float(nn.functional.cross_entropy(logits, part.labels_N)), rel=1e-5)
    assert figures["images"] == 60


def test_an_accuracy_has_one_standard_error_whoever_measures_it(bars_task, make_net):
    """A pass over all images, one that also counts confusions, and the scores of a search."""
    net = make_net(0)
    found = bars_task.evaluate(net, "validation", device=CPU)
    examined, _ = bars_task.examine(net, "validation", device=CPU)
    hits = round(60 * found["accuracy"])
    errors = {found["accuracy_stderr"], examined["accuracy_stderr"], bars_task.standard_error(hits, hits, 60)}
    assert errors == {share_error(hits, 60)}


@pytest.mark.parametrize("hits", [0, 10])
def test_a_share_of_none_or_of_all_is_not_certain(hits):
    assert share_error(hits, 10) == pytest.approx((1 / 12 * 11 / 12 / 12) ** 0.5)


def test_a_net_that_answers_nan_is_wrong(bars_task):
    net = Brightness()
    part = bars_task.images("validation")
    logits = net((part.images_NCHW.float() / 255 - 0.3) / 0.3)
    known = ~logits.isnan().any(1)
    assert 0 < int(known.sum()) < 60
    right = (logits.argmax(1) == part.labels_N) & known
    assert bars_task.evaluate(net, "validation", device=CPU)["accuracy"] == pytest.approx(float(right.double().mean()))


def test_limit_takes_the_same_sample_every_time_and_not_the_first_images(bars_task, make_net):
    net = make_net(0)
    first, again = (bars_task.evaluate(net, "validation", device=CPU, limit=20) for _ in range(2))
    assert first == again
    assert first["images"] == 20
    start = bars_task.images("validation").subset(torch.arange(20))
    logits = net.eval()((start.images_NCHW.float() / 255 - 0.3) / 0.3).detach()
    assert first["loss"] != pytest.approx(float(nn.functional.cross_entropy(logits, start.labels_N)), rel=1e-4)


def test_every_modules_own_mode_comes_back(make_net):
    net = make_net(0)
    net[1].eval()
    modes = [module.training for module in net.modules()]
    with evaluating(net):
        assert not any(module.training for module in net.modules())
    assert [module.training for module in net.modules()] == modes


def test_confusions_are_counted_row_by_row():
    answers, labels = torch.tensor([0, 1, 1, -1, 2]), torch.tensor([0, 0, 1, 1, 2])  # one image has no answer
    assert count_confusions(answers, labels, 3).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_one_reading_gives_figures_and_the_accuracy_of_each_class(bars_task, make_net):
    net, part = make_net(0), bars_task.images("validation")
    figures, details = bars_task.examine(net, "validation", device=CPU)
    assert figures == bars_task.evaluate(net, "validation", device=CPU)
    answers = net.eval()((part.images_NCHW.float() / 255 - 0.3) / 0.3).argmax(1)
    for label in range(3):
        mine = part.labels_N == label
        assert details["per_class"]["images"][label] == int(mine.sum())
        share = float((answers[mine] == label).double().mean())
        assert details["per_class"]["accuracy"][label] == pytest.approx(share)
        assert details["confusion"][label] == [int((answers[mine] == other).sum()) for other in range(3)]


def test_answers_that_are_no_numbers_are_in_no_column(bars_task):
    _, details = bars_task.examine(Brightness(), "validation", device=CPU)
    said = sum(sum(row) for row in details["confusion"])
    assert 0 < said < sum(details["per_class"]["images"]) == 60


def test_images_with_targets_are_judged_by_those():
    logits_BC = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    targets_BC = torch.tensor([[0.75, 0.25], [0.5, 0.5]])
    right_B, loss_B = judge_logits(logits_BC, targets_BC)
    log_sum = [math.log(math.exp(2) + 1), math.log(1 + math.e)]
    assert right_B.tolist() == [True, False]  # of equal shares the first is the likeliest
    assert loss_B.tolist() == pytest.approx([log_sum[0] - 0.75 * 2, log_sum[1] - 0.5], rel=1e-6)
