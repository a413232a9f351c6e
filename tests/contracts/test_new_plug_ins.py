"""A new strategy and a new searcher are one file each: nothing else has to know them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from kdsearch.candidates.space import Choice, Real
from kdsearch.errors import SpecError
from kdsearch.models.zoo import make_net
from kdsearch.records import RunPaths
from kdsearch.report.html import render
from kdsearch.report.note import to_markdown
from kdsearch.rundir.ledger import read_outcomes
from kdsearch.spec.idle import idle_options
from kdsearch.spec.strategy_options import TrainingOptions
from kdsearch.spec.study_spec import load_document, load_spec
from kdsearch.spec.teacher_card import NetOptions
from kdsearch.study.planning import plan
from kdsearch.study.run import run_study
from kdsearch.training.loop import Setting
from kdsearch.training.net import train_net
from kdsearch.weights import save_weights
from tests.cards import CLASSES, write_images
from tests.plugging import plugged
from tests.toys import CPU, make_task, make_toy

pytestmark = pytest.mark.timeout(60)  # the first trace of a process takes seconds

MIMIC = '''
"""Pulls a student's answers towards those of the teacher, for a few steps."""
from __future__ import annotations

from pydantic import Field

from kdsearch.spec.metric import Metric
from kdsearch.spec.strategy_options import StrategyOptions
from kdsearch.spec.terms import Positive, Range
from kdsearch.strategies.base import Strategy, Trained, Job


class Mimic(Strategy):
    """Least squares on the teacher's logits."""

    class Options(StrategyOptions):
        """``pull``: the learning rate, perhaps a range; ``steps`` of it; ``haste`` does nothing for few trials."""

        pull: Positive = 0.1
        steps: int = Field(3, ge=1)
        haste: int = 0
        for_search = frozenset({"haste"})

        @property
        def asks_teacher(self):
            return True

        @property
        def ranges(self):
            return {"pull": self.pull} if isinstance(self.pull, Range) else {}

        @property
        def searches_widths(self):
            return False

        @property
        def score_metric(self):
            return Metric("agreement", label="agreement with the teacher", unit="%", times=100, digits=1)

        @property
        def trained_epochs(self):
            return self.steps

        def shortened(self, epochs):
            return self.model_copy(update={"steps": epochs})

        @property
        def least_images(self):
            return "steps", self.steps

        def idle_beside(self, study):
            return {"haste": "budget.trials is small"} if study.budget.trials < 10 else {}

    def score(self, ctx, trial, report=None):
        figures = ctx.task.evaluate(self.train(ctx, trial.candidate, Job(0)).model, "validation", device=ctx.device)
        return figures | {"score": -figures["loss"], "score_stderr": 0.01}

    def judge_scores(self, prepared, trained, metric):
        return {"verdict": "trusted", "advice": [], "grounds": [f"{len(trained)} budget was looked at"]}

    def judge_trained(self, metrics):
        return -metrics["loss"]

    def rehearse(self, ctx, steps):
        return {"prepare": 0.0, "score": 0.5}

    def epoch_seconds(self, ctx, gene, steps):
        return 0.25

    def train(self, ctx, candidate, job):
        import torch

        torch.manual_seed(job.seed)
        net = ctx.widths.build(candidate)
        pixels = ctx.task.images("train").images_NCHW[:30]
        wanted, _ = ctx.teaching.teacher.answer(pixels, {})
        optimizer = torch.optim.SGD(net.parameters(), lr=candidate.values["pull"])
        for _ in range(self.options.steps):
            optimizer.zero_grad()
            (net(pixels / 255) - wanted).square().mean().backward()
            optimizer.step()
        return Trained(net, ({"epoch": 1, "loss": 0.0},))
'''

LADDER = '''
"""Climbs the first real amount in equal steps."""
from __future__ import annotations

from pydantic import Field

from kdsearch.candidates.space import Candidate, Real
from kdsearch.searchers.base import Searcher
from kdsearch.spec.sections import Section


class Ladder(Searcher):
    """Rung by rung."""

    class Options(Section):
        """``rungs``: how many."""

        rungs: int = Field(4, ge=1)

    def total(self, trials):
        return min(trials, self.options.rungs)

    def _propose(self, number, rng, attempt):
        (amount,) = (each for each in self.space.parameters if isinstance(each, Real))
        value = amount.low + (amount.high - amount.low) * (number + 1) / (self.options.rungs + 1)
        return Candidate.of(self.space.sample(rng).values | {amount.name: value}, f"rung {number}")
'''

SETS = (
    "name=mimicked",
    "student={net: given, divisor: 1}",
    "search={name: ladder, rungs: 3}",
    "strategy={name: mimic, pull: {search: uniform, low: 0.01, high: 0.2}, steps: 2}",
    "finish={name: mimic, steps: 4, finalists: 2, finalist_epochs: 1}",
    "limits={macs: 50%, window: 0.2}",
    "budget={trials: 5}",
    "export=[]",
)


@pytest.fixture(scope="module")
def dropped_in(tmp_path_factory):
    """The two files in place, and the words of a study that names them; with its data and its teacher."""
    folder = tmp_path_factory.mktemp("plugged")
    data = write_images(folder / "bars.npz")
    with plugged(folder, mimic=("strategies", MIMIC), ladder=("searchers", LADDER)):
        yield (*SETS, f"task={{npz: {data}, validation_share: 0.2, test_share: 0.2}}", f"teacher={write_card(folder)}")


def write_card(folder: Path) -> Path:
    """A teacher that tells the bars apart: one that does not is refused."""
    net = make_net(NetOptions(net="resnet8", width=0.25).made_of(), num_classes=3, in_channels=1, image_size=8, seed=0)
    train_net(net, make_task(), TrainingOptions(epochs=8, batch_size=16, learning_rate=0.05), Setting(0, CPU))
    weights = folder / "own.safetensors"
    save_weights(weights, net.state_dict())
    card = {
        "name": "own",
        "net": {"net": "resnet8", "width": 0.25},
        "weights": weights.name,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "input": {"shape": [1, 8, 8]},
        "mean": [0.3],
        "std": [0.3],
        "classes": list(CLASSES),
    }
    path = folder / "own.yaml"
    path.write_text(json.dumps(card))
    return path


def test_its_study_is_validated_with_teacher_range_and_idle_options(dropped_in):
    spec, document = load_document("quickstart", (*dropped_in, "strategy.haste=2", "finish.haste=3"))
    assert spec.finish.options.ranges.keys() == {"pull"}  # handed on, since finish left it out
    said = [line.partition("has no effect: ")[2] for line in idle_options(spec, document)]
    assert said == ["only a search reads it; finish: mimic trains what it made", "budget.trials is small"]
    with pytest.raises(SpecError, match="teacher is missing"):
        load_spec("quickstart", (*dropped_in, "teacher=null"))
    with pytest.raises(SpecError, match=r"finish would train without the pull that strategy searches"):
        load_spec("quickstart", (*dropped_in, "finish.pull=0.1"))
    with pytest.raises(SpecError, match=r"finish: .*pull is a range that strategy does not search"):
        load_spec(
            "quickstart", (*dropped_in, "strategy.pull=0.1", "finish.pull={search: uniform, low: 0.1, high: 0.2}")
        )


def test_its_study_is_planned_with_its_ranges_as_the_space(dropped_in, tmp_path):
    study = plan(load_spec("quickstart", dropped_in), RunPaths(tmp_path), net=make_toy())
    parameters = study.ctx.space.parameters
    assert {len(parameter.values) for parameter in parameters if isinstance(parameter, Choice)} == {1}
    assert [parameter.name for parameter in parameters if isinstance(parameter, Real)] == ["pull"]
    assert study.ctx.uniform[0].values["pull"] == pytest.approx(0.105)
    assert study.score_metric.name == "agreement"
    assert study.ctx.students_taught == 5 + 3  # trials, then winner, uniform and full
    with pytest.raises(SpecError, match=r"strategy.steps is 1000; the training part has 90 images; lower it"):
        plan(load_spec("quickstart", (*dropped_in, "strategy.steps=1000")), RunPaths(tmp_path), net=make_toy())


def test_its_study_runs_to_its_report(dropped_in, tmp_path):
    summary = run_study(load_spec("quickstart", dropped_in), tmp_path / "run", net=make_toy())
    outcomes = read_outcomes(RunPaths(tmp_path / "run"))
    assert [outcome.state for outcome in outcomes] == ["done"] * 3  # the searcher makes use of three
    assert [outcome.merit for outcome in outcomes] == [outcome.metrics["score"] for outcome in outcomes]
    assert all(row["score"] is not None for row in summary["finalists"])
    assert summary["teacher"]["name"] == "own"
    assert summary["proxy"]["verdict"] == "trusted"
    page = render(summary, outcomes)
    assert "1 budget was looked at." in page
    said = page.partition("<body>")[2].partition("<script>")[0] + to_markdown(summary)
    assert "agreement with the teacher" in said
    assert "likelihood" not in said
    assert "nats" not in said
