"""A brought net reads images as it was trained to: in planning, scoring, training, export and measurement."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from kdsearch.errors import SpecError
from kdsearch.records import RunPaths
from kdsearch.study.normalising import normalise_for
from kdsearch.study.planning import plan
from tests.tiny import tiny_spec
from tests.toys import CPU, bars_teacher, make_task

pytestmark = pytest.mark.timeout(30)
EXPORT = "export=[{name: torchscript, lite: false}]"
GIVEN = "student={net: given, trained: true, divisor: 1, mean: 0.5, std: 0.01}"


def reader_of(mean: float, std: float) -> nn.Module:
    """Knows the bars of images normalised by these numbers; it undoes them in its first layer."""
    net = copy.deepcopy(bars_teacher().net).requires_grad_(True)
    with torch.no_grad():
        net[0].bias.copy_(net[0].bias + mean * net[0].weight.sum((1, 2, 3)))
        net[0].weight.mul_(std)
    return net


def planned(folder, *sets: str):
    sets = ("finish.batch_size=24", "strategy.batch_size=24", "limits={macs: 60%, window: null}", EXPORT, *sets)
    net = reader_of(0.5, 0.01) if any(text.startswith("student={net: given") for text in sets) else None
    return plan(tiny_spec(*sets), RunPaths(folder), task=make_task(), net=net)


def test_a_brought_net_is_read_by_its_own_normalisation_everywhere(tmp_path):
    study = planned(tmp_path, GIVEN)
    for task in (study.task, study.ctx.task):
        assert (task.mean, task.std) == ((0.5,), (0.01,))
        assert task.evaluate(study.ctx.net, "validation", device=CPU)["accuracy"] == 1.0
    pixels = study.task.images("train").images_NCHW.float() / 255
    batch_BCHW = study.ctx.task.calibration(200, 0, CPU)
    assert float(batch_BCHW.mean()) == pytest.approx(float((pixels.mean() - 0.5) / 0.01), rel=1e-3)
    trained_on, _ = next(study.ctx.task.train_batches(study.spec.finish.options, 0, CPU).epoch(0))
    assert float(trained_on.std()) > 10  # by the data's own numbers it would be about 1


def test_a_net_made_here_is_normalised_by_the_images_own_numbers(tmp_path):
    assert planned(tmp_path, "limits={macs: 50%}").task.mean == (0.3,)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ("{net: lenet5, mean: 0.5}", "std is missing; mean and std go together"),
        ("{net: lenet5, std: [0.5]}", "mean is missing; mean and std go together"),
        ("{net: lenet5, mean: 123.675, std: 58.395}", r"divide one of 0..255 by 255 \(got 123.675\)"),
        ("{net: lenet5, mean: 0.4, std: 58.395}", r"divide one of 0..255 by 255 \(got 58.395\)"),
        ("{net: lenet5, mean: 0.4, std: 0}", "must be 1e-06 to 10"),
        ("{net: lenet5, mean: [], std: []}", "must have at least|at least 1"),
        ("{net: lenet5, mean: true, std: 1}", "must not be true or false"),
    ],
)
def test_numbers_that_normalise_nothing_are_refused_at_their_key(sets, message):
    with pytest.raises(SpecError, match=message):
        tiny_spec(f"student={sets}")


def test_one_number_a_channel_is_wanted():
    options = tiny_spec("student={net: lenet5, mean: [0.4, 0.5, 0.6], std: [0.1, 0.1, 0.1]}").student
    with pytest.raises(SpecError, match=r"student.mean has 3 numbers, the images have 1 channel"):
        normalise_for(options, make_task())
    colour = make_task()
    colour.image_shape = (3, 8, 8)
    assert normalise_for(options, colour).mean == (0.4, 0.5, 0.6)

    assert normalise_for(options.model_copy(update={"mean": (0.5,), "std": (0.2,)}), colour).std == (0.2, 0.2, 0.2)
