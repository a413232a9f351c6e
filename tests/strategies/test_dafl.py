from __future__ import annotations

import subprocess
from contextlib import suppress
from dataclasses import replace

import pytest

from kdsearch.candidates.space import Candidate
from kdsearch.errors import LeakError, SpecError, StoreError
from kdsearch.files import read_json
from kdsearch.strategies.base import Job
from kdsearch.strategies.dafl import DataFree
from tests.datafree.test_guard import READERS, fill
from tests.toys import toy_context

SMALL = {"width": 4, "noise": 8, "batch_size": 32, "bank": 300, "probe": 48, "test": 48}


def dafl(**options) -> DataFree:
    given = {"epochs": 2, "rounds": 4, "student_steps": 2, "batch_size": 24, "synthesis": SMALL}
    return DataFree(DataFree.Options(**given | options))


class Unreadable:
    """A task that says what its images look like and gives none of them."""

    def __init__(self, task) -> None:
        self._task = task

    def __getattr__(self, name):
        if name in ("image_shape", "num_classes", "classes", "mean", "std", "metric", "digest"):
            return getattr(self._task, name)
        raise AssertionError(f"a data-free training asked for task.{name}")


def test_no_image_of_the_task_is_asked_for(tmp_path):
    ctx = toy_context(tmp_path)
    blind = replace(ctx, task=Unreadable(ctx.task))
    strategy = dafl()
    strategy.check(blind)
    strategy.prepare(blind)
    trained = strategy.train(blind, ctx.uniform[0], Job(0, checkpoint=tmp_path / "x.pt"))
    assert [record["epoch"] for record in trained.history] == [1, 2]


def test_how_often_a_student_learns_is_decided_once(tmp_path):
    ctx, strategy = toy_context(tmp_path), dafl(student_steps="auto")
    with pytest.raises(StoreError, match=r"is missing: how often a student learns has not been decided; resume"):
        strategy.train(ctx, ctx.uniform[0], Job(0))
    decided = strategy.prepare(ctx)["teacher"]
    assert decided["student_steps"] >= 1
    assert "ms" in decided["reason"]
    (record,) = ctx.paths.prepared.glob("student_steps-*.json")
    assert read_json(record) == strategy.provision(ctx) == decided


def test_a_teacher_is_needed(tmp_path):
    with pytest.raises(SpecError, match=r"teacher: is missing; name a card"):
        dafl().check(replace(toy_context(tmp_path), teaching=None))


def test_a_searched_weight_reaches_the_generators(tmp_path):
    ctx = toy_context(tmp_path)
    span = {"search": "loguniform", "low": 0.01, "high": 100}
    strategy = dafl(synthesis=SMALL | {"entropy": span})
    names = [parameter.name for parameter in strategy.parameters(ctx.widths, ctx.uniform)]
    assert names[0] == "synthesis.entropy"
    start = strategy.complete(ctx.uniform[0])
    other = Candidate.of(dict(start.values) | {"synthesis.entropy": 50.0}, "another")
    losses = [strategy.train(ctx, gene, Job(0)).history[-1]["entropy"] for gene in (start, other)]
    assert losses[0] != losses[1]


PLANTED = {
    name: READERS[name]
    for name in (
        *("torchvision data set", "np.load", "np.memmap", "np.fromfile", "PIL", "torch.load", "torch.load mmap"),
        *("os.listdir", "torch.from_file", "torchvision.io.read_file"),
    )
} | {"a program": lambda folder: subprocess.run(["cat", folder / "a.bin"], check=True, capture_output=True)}


@pytest.fixture(scope="module")
def guarded_context(tmp_path_factory):
    """A context of a study whose images lie in a folder."""
    folder = tmp_path_factory.mktemp("study")
    return replace(toy_context(folder), data_roots=(fill(folder / "real"),))


@pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities:DeprecationWarning")
@pytest.mark.parametrize("reader", PLANTED)
def test_a_loader_planted_in_the_strategy_is_caught(guarded_context, reader):
    (real,) = guarded_context.data_roots

    class Planted(DataFree):
        """Peeps at real images in its second step, and hides what comes of it."""

        def _learner(self, *given):
            learner = super()._learner(*given)
            step = learner.step

            def peep(batch, moment):
                if moment.step == 1:
                    with suppress(Exception):
                        PLANTED[reader](real)
                step(batch, moment)

            learner.step = peep
            return learner

    strategy = Planted(dafl(epochs=1, rounds=2).options)
    PLANTED[reader](real)
    with pytest.raises(LeakError, match=r"learning without data: .* was about to"):
        strategy.train(guarded_context, guarded_context.uniform[0], Job(0))
    PLANTED[reader](real)


def test_what_it_makes_is_shown(tmp_path):
    seen = []
    ctx = replace(toy_context(tmp_path), show=lambda epoch, png: seen.append((epoch, png[:4])))
    dafl().train(ctx, ctx.uniform[0], Job(0))
    assert seen == [(1, b"\x89PNG"), (2, b"\x89PNG")]


def test_questions_are_bounded_where_they_are_counted_only(tmp_path):
    ctx = toy_context(tmp_path)
    strategy = dafl(augment={"crop": 0, "flip": False}, synthesis=SMALL | {"queries": 10_000})
    with pytest.raises(SpecError, match=r"synthesis\.queries: counts what a teacher is asked that is a file; leave it"):
        strategy.check(ctx)
    answering = replace(ctx.teaching, teacher=replace(ctx.teaching.teacher, gives="gradients"))
    strategy.check(replace(ctx, teaching=answering))


def test_a_teacher_without_gradients_is_learned_from_by_other_gradients_only(tmp_path, caplog):
    ctx = toy_context(tmp_path)
    ctx = replace(ctx, teaching=replace(ctx.teaching, teacher=replace(ctx.teaching.teacher, gives="logits")))
    with pytest.raises(SpecError, match=r"gives no gradients, .* name another, or say synthesis\.through: student"):
        dafl().check(ctx)
    dafl(synthesis=SMALL | {"through": "student"}).check(ctx)
    assert "synthesis.through: student is experimental" in caplog.text


@pytest.mark.parametrize("through", ["student", "differences"])
def test_the_run_says_that_a_way_around_gradients_is_experimental(tmp_path, through):
    ctx, given = toy_context(tmp_path), SMALL | {"through": through}
    assert dafl(synthesis=given).provision(ctx)["reason"].startswith(f"experimental: through {through}; ")
    assert "experimental" not in dafl().provision(ctx)["reason"]


def test_of_several_starts_the_best_student_comes_back(tmp_path):
    ctx = toy_context(tmp_path)
    strategy = dafl(starts=3, epochs=4, rounds=1)
    trained = strategy.train(ctx, ctx.uniform[0], Job(0))
    assert [record["starts"] for record in trained.history] == [2, 1, 1, 1]
    assert ctx.widths.costs(ctx.uniform[0])["parameters"] == sum(p.numel() for p in trained.model.parameters())
