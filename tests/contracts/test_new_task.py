"""A second task is one file, too: a figure that is better when lower, in a unit of its own, on labels that are no classes."""

from __future__ import annotations

import argparse
import json

import pytest

from kdsearch.records import RunPaths
from kdsearch.rundir.ledger import read_outcomes
from kdsearch.spec.metric import Metric
from kdsearch.spec.study_spec import dumps, load_spec, loads
from kdsearch.study.run import run_study
from tests.cards import write_images
from tests.plugging import plugged
from tests.toys import make_toy

BRIGHTNESS = '''
"""How bright an image is, in steps of 0 to 255."""
from __future__ import annotations

from dataclasses import replace

from kdsearch.spec.metric import Metric
from kdsearch.tasks.base_images import ImageTask


class Brightness(ImageTask):
    """The mean of an image's pixels, read off the image; a net is measured by its mean absolute error."""

    metric = Metric("mae", better="lower", label="error", unit="steps", times=255, digits=2, points="steps", least=0.0)

    @classmethod
    def relabelled(cls, dataset):
        import torch

        from kdsearch.data.images import ImageSet

        def part(images):
            value_N = (images.images_NCHW.float().mean((1, 2, 3)) / 255).float()
            return ImageSet(images.images_NCHW, value_N)

        parts = {name: part(getattr(dataset, name)) for name in ("train", "validation", "test")}
        return replace(dataset, classes=("brightness",), **parts)

    @property
    def output_meaning(self):
        return "mean pixel in 0..1"

    def loss(self, outputs, labels, smoothing):
        return (outputs[:, 0] - labels).square().mean()

    @classmethod
    def rate_each(cls, outputs, labels):
        return (outputs[:, 0] - labels).abs()

    @classmethod
    def judge_each(cls, outputs, labels):
        error_B = (outputs[:, 0] - labels).nan_to_num(10.0, 10.0, -10.0).clamp(-10, 10)
        return error_B.abs(), error_B.square().double()
'''

STUDY = (
    "name=bright",
    "student={net: given, divisor: 1}",
    "search={name: random}",
    "strategy={name: scratch, epochs: 2, batch_size: 30}",
    "finish={name: scratch, epochs: 2, batch_size: 30, seeds: 2, finalists: 2, finalist_epochs: 1}",
    "limits={macs: 60%, window: 0.3}",
    "budget={trials: 4}",
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The words of a study of the new task, while its file is there."""
    folder = tmp_path_factory.mktemp("plugged")
    data = write_images(folder / "bars.npz")
    with plugged(folder, brightness=("tasks", BRIGHTNESS)):
        yield (*STUDY, f"task={{name: brightness, npz: {data}, validation_share: 0.2, test_share: 0.2}}")


def one_output():
    from torch import nn

    net = make_toy()
    net.classifier = nn.Linear(10, 1)
    return net


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    said = []
    summary = run_study(load_spec("quickstart", study), folder, net=one_output(), watch=said.append)
    return summary, folder, said
