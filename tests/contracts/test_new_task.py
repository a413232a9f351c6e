"""A second task is one file: a figure that is better when lower, in its own unit, of labels that are no classes."""

from __future__ import annotations

import io

import pytest

from kdsearch.exporters.base_manifest import read_manifest
from kdsearch.records import RunPaths
from kdsearch.report.console import print_summary
from kdsearch.report.note import to_markdown
from kdsearch.report.reading import read_run
from kdsearch.report.verdict import judge_search
from kdsearch.rundir.ledger import read_outcomes
from kdsearch.spec.study_spec import dumps, load_spec, loads
from kdsearch.study.run import run_study
from tests.cards import write_images
from tests.plugging import plugged
from tests.toys import make_toy

pytestmark = [pytest.mark.medium, pytest.mark.timeout(180)]

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
    "finish={name: scratch, epochs: 2, batch_size: 30, seeds: 2, finalists: 2, finalist_epochs: 2}",
    "export=[{name: torchscript, lite: false}]",
    "seed=5",  # one whose winner is a net that was searched
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
    """What a whole run of it came to, and where."""
    folder = tmp_path_factory.mktemp("bright") / "run"
    return run_study(load_spec("quickstart", study), folder, net=one_output()), folder


def find(summary, role):
    return next(row for row in summary["students"] if row["role"] == role)


def test_a_study_of_it_is_read_back_as_it_was_written(study):
    spec = load_spec("quickstart", study)
    assert spec.task.name == "brightness"
    assert loads(dumps(spec)) == spec


def test_its_trials_are_ranked_by_the_least_error(finished):
    summary, folder = finished
    outcomes = read_outcomes(RunPaths(folder))
    assert [outcome.state for outcome in outcomes] == ["done"] * 4
    assert [outcome.merit for outcome in outcomes] == [-outcome.metrics["mae"] for outcome in outcomes]
    least = sorted(outcomes, key=lambda outcome: outcome.metrics["mae"])[:2]
    entered = [row["candidate"] for row in summary["finalists"]]
    assert all(outcome.candidate.widths in entered for outcome in least)


def test_its_winner_and_the_exported_seed_have_the_least_error(finished):
    summary, _ = finished
    winner, uniform = (
        next(row for row in summary["students"] if row["role"] == role) for role in ("winner", "uniform")
    )
    assert winner["candidate"] != uniform["candidate"]
    assert winner["candidate"] == min(summary["finalists"], key=lambda row: row["validation_mae"])["candidate"]
    validated = winner["lineage"]["validated"]
    assert str(winner["lineage"]["exported_seed"]) == min(validated, key=validated.get)
    assert winner["metrics"]["mae"] == pytest.approx(sum(winner["lineage"]["seeds"].values()) / 2)


def test_every_place_that_judges_its_winner_says_the_same_and_counts_a_smaller_error_as_a_gain(finished):
    summary, folder = finished
    winner, uniform = (
        next(row for row in summary["students"] if row["role"] == role) for role in ("winner", "uniform")
    )
    gain = 255 * (uniform["metrics"]["mae"] - winner["metrics"]["mae"])
    assert gain > 1
    stream = io.StringIO()
    print_summary(summary, stream)
    page = (folder / "report.html").read_text(encoding="utf-8")
    answer = judge_search(read_run(summary, ()), 0)
    assert answer.word in ("yes", "unclear")
    for text in (answer.text, page, stream.getvalue(), to_markdown(summary).replace("\\", "")):
        assert f"+{gain:.2f} steps" in text
    assert f"{answer.question} {answer.word}: " in stream.getvalue()


def test_its_report_and_manifest_speak_of_it(finished):
    summary, folder = finished
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "steps" in page
    assert "accuracy" not in page.split("<body>")[1].split("<script>")[0].lower()
    assert summary["task"]["metric"]["better"] == "lower"
    manifest = read_manifest(folder / "students" / "winner")
    assert manifest["output"] == {"shape": [1, 1], "dtype": "float32", "meaning": "mean pixel in 0..1"}
    assert manifest["metrics"].keys() == {"mae", "validation_mae"}


def test_a_study_that_names_no_task_learns_classes():
    assert load_spec("quickstart", ("task={dataset: mnist5k}",)).task.name == "classification"
