"""Studies that learn from a teacher, as files."""

from __future__ import annotations

import pytest

from kdsearch.errors import SpecError
from kdsearch.spec.study_spec import dumps, load_spec, loads
from kdsearch.spec.teacher_card import shipped_cards


def test_a_teacher_that_nobody_asks_and_a_lesson_without_one_are_refused():
    with pytest.raises(SpecError, match="neither strategy nor finish learns from a teacher"):
        load_spec("metapruning", ["teacher=lenet5_mnist5k"])
    with pytest.raises(SpecError, match="teacher is missing; name a card"):
        load_spec("metapruning", ["finish={name: kd}"])


def test_a_finish_of_the_same_name_learns_as_the_strategy_does():
    spec = load_spec("cckd_weights")
    assert spec.finish.options.terms == spec.strategy.options.terms
    assert spec.finish.options.sampler == spec.strategy.options.sampler
    other = load_spec("cckd_weights", ["finish.sampler=uniform"])
    assert other.finish.options.terms == spec.strategy.options.terms
    assert other.finish.options.sampler.name == "uniform"
    named = load_spec("cckd", ["finish.terms=[{ce: 1}]"])
    assert [term.kind for term in named.finish.options.terms] == ["ce"]
    assert loads(dumps(spec)) == spec


@pytest.mark.parametrize("finish", ["{name: cckd, terms: [{kd: 1}]}", "{name: kd}", "{name: scratch}"])
def test_a_finish_that_would_not_use_what_was_searched_is_refused(finish):
    with pytest.raises(SpecError, match=r"finish would train without the cc.weight that strategy searches"):
        load_spec("cckd_weights", [f"finish={finish}"])


def test_a_run_is_read_when_its_card_has_gone(tmp_path):
    card = tmp_path / "card.yaml"
    card.write_text(shipped_cards()["lenet5_mnist5k.yaml"].read_text())
    spec = load_spec("cckd", [f"teacher={card}"])
    card.unlink()
    assert loads(dumps(spec)) == spec


def test_a_searched_learning_rate_holds_for_a_finish_that_names_none(tmp_path):
    rate = "{search: loguniform, low: 0.001, high: 0.1}"
    spec = load_spec("kd", [f"strategy.learning_rate={rate}"])
    assert spec.finish.options.ranges == spec.strategy.options.ranges != {}
    assert loads(dumps(spec)) == spec
    wanted = r"without the learning_rate that strategy searches; .* leave finish.learning_rate out"
    with pytest.raises(SpecError, match=wanted):
        load_spec("kd", [f"strategy.learning_rate={rate}", "finish.learning_rate=0.1"])
    with pytest.raises(SpecError, match=r"finish: learning_rate is a range that strategy does not search"):
        load_spec("metapruning_cckd", [f"finish.learning_rate={rate}"])


def test_a_range_that_no_search_fills_is_refused():
    searched = "[{kd: {weight: {search: uniform, low: 0, high: 1}}}]"
    with pytest.raises(SpecError, match=r"finish.terms: kd.weight is a range that strategy does not search"):
        load_spec("metapruning_cckd", [f"finish.terms={searched}"])


@pytest.mark.parametrize("k", [5, 128])
def test_groups_that_do_not_make_up_a_batch_are_refused_before_anything_is_loaded(k):
    with pytest.raises(SpecError, match=rf"strategy.*: sampler.k: a batch of 64 images is not made of groups of {k}"):
        load_spec("cckd", ["strategy.batch_size=64", f"strategy.sampler.k={k}"])


def test_a_card_without_weights_is_refused_before_anything_is_loaded():
    wanted = r"teacher.*: resnet56_cifar10: has no weights yet; train them with: kdsearch teach resnet56_cifar10"
    with pytest.raises(SpecError, match=wanted):
        load_spec("cckd", ["teacher=resnet56_cifar10"])
