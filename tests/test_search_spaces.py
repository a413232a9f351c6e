"""Every shipped study validates, says what it is, and keeps what its comments promise."""

from __future__ import annotations

import shlex

import pytest

from kdsearch.spec.sources import shipped_studies
from kdsearch.spec.study_spec import load_spec

SHIPPED = sorted(shipped_studies())


def test_the_promised_studies_are_shipped():
    promised = {"quickstart", "metapruning", "metapruning_cifar10", "metapruning_folder"}
    promised |= {"metapruning_paper", "metapruning_imagenet", "kd", "cckd", "cckd_weights", "metapruning_cckd"}
    promised |= {"metapruning_datafree"}
    assert {f"{name}.yaml" for name in promised} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_it_validates_and_begins_with_what_it_is(name):
    assert load_spec(name).name
    first = shipped_studies()[name].read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > 20


@pytest.mark.parametrize("name", ["quickstart.yaml", "metapruning.yaml"])
def test_the_studies_of_the_first_hour_need_no_file(name):
    spec = load_spec(name)
    assert spec.task.options.dataset == "mnist5k"
    assert spec.teacher is None
    assert spec.student.weights is None
    assert spec.finish.controls.uniform
    assert spec.finish.controls.full


@pytest.mark.parametrize("name", ["metapruning_paper.yaml", "metapruning_imagenet.yaml"])
def test_the_paper_preset_is_the_papers_search(name):
    spec = load_spec(name)
    search, strategy = spec.search.options, spec.strategy.options
    assert (search.population, search.parents, search.mutation, search.crossover) == (50, 10, 25, 25)
    assert (search.mutation_probability, search.generations, search.mode) == (0.1, 20, "generational")
    assert spec.budget.trials == search.population * search.generations
    assert (strategy.generator, strategy.hidden, strategy.sampling) == ("paper", 64, "single")
    assert (strategy.draws, strategy.init, strategy.racing) == ("uniform", "scratch", False)
    assert strategy.ranked_by == "metric"
    assert (strategy.schedule, strategy.weight_decay, strategy.label_smoothing) == ("linear", 0, 0.1)
    assert (spec.student.divisor, spec.student.scales, spec.student.fix_last) == (1, "paper", True)
    assert spec.limits.window is None


def test_the_comment_for_resnet50_is_a_study():
    text = shipped_studies()["metapruning_imagenet.yaml"].read_text(encoding="utf-8")
    lines = [line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#   --set")]
    words = shlex.split(" ".join(lines))
    assert words[::2] == ["--set"] * (len(words) // 2)
    spec = load_spec("metapruning_imagenet.yaml", words[1::2])
    assert (spec.student.timm, spec.strategy.options.schedule, spec.finish.options.epochs) == ("resnet50", "step", 128)
