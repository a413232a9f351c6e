"""From a study file to its parts, checked before anything long runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kdsearch.errors import DataError, InfeasibleError, SpecError
from kdsearch.files import cache_dir
from kdsearch.models.resnet_cifar import resnet8
from kdsearch.records import RunPaths
from kdsearch.searchers.optuna import OptunaSearch
from kdsearch.spec.study_spec import load_spec
from kdsearch.study.planning import plan
from kdsearch.study.stand_in import stand_in_task
from tests.tiny import tiny_spec
from tests.toys import make_task, make_toy, toy_context, toy_widths

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds


def test_a_plan_keeps_the_test_part_from_the_search(tmp_path):
    study = plan(tiny_spec(), RunPaths(tmp_path), task=make_task())
    assert len(study.task.images("test")) == 60
    with pytest.raises(RuntimeError, match="test part is read once"):
        study.ctx.task.images("test")
    first = study.make_searcher().ask(0)
    assert first == study.ctx.uniform[0] or first.origin == "uniform widths"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ("finish.batch_size=201", SpecError, "finish.batch_size is 201; the training part has 200 images; lower it"),
        ("strategy.batch_size=300", SpecError, "strategy.batch_size is 300; the training part has 200 images"),
        (
            "limits.macs=5000",
            InfeasibleError,
            r"limits.macs is 5,000; the smallest resnet8 has [\d,]+; raise the limit",
        ),
        ("student={net: given}", SpecError, "student.net: given stands for a module passed to kdsearch.run_study"),
    ],
)
def test_what_cannot_work_is_named(tmp_path, change, error, words):
    with pytest.raises(error, match=words):
        plan(tiny_spec(change), RunPaths(tmp_path))


def test_a_window_that_no_candidate_meets_is_named_with_the_nearest(tmp_path):
    spec = tiny_spec("student={net: lenet5}", "limits={macs: 50%, window: 1e-6}")
    words = r"found no candidate with macs from .* \(the nearest has .* widen limits.window"
    with pytest.raises(InfeasibleError, match=words):
        plan(spec, RunPaths(tmp_path))


def test_a_module_of_ones_own_is_the_student(tmp_path):
    net = make_toy()
    study = plan(tiny_spec("student={net: given, divisor: 1}"), RunPaths(tmp_path), task=make_task(), net=net)
    assert study.ctx.net.state_dict().keys() == net.state_dict().keys()
    assert len(study.ctx.widths.groups) == len(toy_widths(make_toy()).groups)


def test_a_module_of_ones_own_is_trained_where_the_study_says_so(tmp_path):
    for trained in (True, False):
        spec = tiny_spec(f"student={{net: given, divisor: 1, trained: {str(trained).lower()}}}")
        assert plan(spec, RunPaths(tmp_path), task=make_task(), net=make_toy()).ctx.trained is trained


def test_what_a_run_would_meet_at_its_end_is_met_before(tmp_path, monkeypatch):
    with pytest.raises(SpecError, match=r"executor: process cannot be handed a module; use executor: \{name: serial\}"):
        plan(tiny_spec("student={net: given}", "executor={name: process}"), RunPaths(tmp_path), net=make_toy())

    def refuse(self, number):
        raise SpecError("search.sampler: needs a package")

    monkeypatch.setattr(OptunaSearch, "_sampler", refuse)
    with pytest.raises(SpecError, match="needs a package"):
        plan(tiny_spec("search={name: optuna}"), RunPaths(tmp_path), task=make_task())


def test_images_stand_in_for_as_many_as_the_study_names():
    spec = load_spec("metapruning_imagenet.yaml")
    task = stand_in_task(spec, DataError("none"))
    assert task.image_shape == (3, 224, 224)
    assert len(task.images("train")) == 1_231_167
    assert len(task.images("validation")) == pytest.approx(50_000, rel=0.01)
    assert task.images("train").images_NCHW.untyped_storage().nbytes() == 3 * 224 * 224
    recipe = spec.finish.options.model_copy(update={"batch_size": 4})
    images, labels = next(task.train_batches(recipe, 0, torch.device("cpu")).epoch(0))
    assert images.shape == (4, 3, 224, 224)
    assert labels.max() < task.num_classes
    with pytest.raises(DataError, match="not there"):
        stand_in_task(load_spec("quickstart"), DataError("not there"))


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("KDSEARCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "kdsearch"


def test_the_context_of_the_toy_is_one_that_a_plan_makes(tmp_path):
    assert (
        toy_context(tmp_path).space.names
        == plan(
            tiny_spec("student={net: given, divisor: 1}"), RunPaths(tmp_path), task=make_task(), net=make_toy()
        ).ctx.space.names
    )


def test_a_checkpoint_of_other_classes_is_a_start_that_still_needs_pretraining(tmp_path):
    for classes, trained in ((10, True), (7, False)):
        path = tmp_path / f"{classes}.pt"
        torch.save(resnet8(classes, 1, 0.5).state_dict(), path)
        spec = tiny_spec("student={net: resnet8, width: 0.5, divisor: 1, weights: " + str(path) + "}")
        assert plan(spec, RunPaths(tmp_path)).ctx.trained is trained


class Pair(torch.nn.Module):
    def forward(self, features):
        return features, features


class Broken(torch.nn.Module):
    def forward(self, features):
        return features @ self.weight


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (torch.nn.Linear(10, 5), r"gives \(2, 5\) for 2 images, the task has 3 classes"),
        (torch.nn.Linear(7, 3), "cannot read images of 1x8x8"),
        (Pair(), r"gives \(2, 10\), \(2, 10\) for 2 images, the task has 3 classes"),
        (Broken(), "cannot read images of 1x8x8: 'Broken' object has no attribute 'weight'"),
    ],
)
def test_a_module_that_does_not_classify_these_images_is_refused(tmp_path, last, said):
    net = make_toy()
    net.classifier = last
    with pytest.raises(SpecError, match=said):
        plan(tiny_spec("student={net: given, divisor: 1}"), RunPaths(tmp_path), task=make_task(), net=net)


def test_a_net_without_channels_to_crop_is_refused_in_a_line(tmp_path):
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    with pytest.raises(SpecError, match="no channel of given can be cropped: 1: gives the net's output"):
        plan(tiny_spec("student={net: given, divisor: 1}"), RunPaths(tmp_path), task=make_task(), net=net)


def test_limits_that_hardly_any_shape_meets_serve_a_search_and_a_pruningnet(tmp_path):
    spec = tiny_spec("limits={macs: 60%, parameters: 25%}", "student={net: resnet20, width: 0.5, divisor: 8}")
    study = plan(spec, RunPaths(tmp_path))
    ctx, rng = study.ctx, np.random.default_rng(0)
    searcher = study.make_searcher()
    found = [searcher.ask(number) for number in range(10)] + [ctx.draw(0, rng) for _ in range(30)]
    assert all(window.miss(ctx.widths.costs(gene)) == 0 for gene in found for window in ctx.budgets[0])
