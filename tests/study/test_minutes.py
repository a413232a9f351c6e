from __future__ import annotations

import re
from dataclasses import replace

import pytest

from kdsearch.errors import SpecError
from kdsearch.spec.study_spec import load_spec
from kdsearch.strategies.dafl import DataFree
from kdsearch.study.minutes import check_minutes, find_lengths
from tests.toys import toy_study

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("one_thread")]  # the first trace takes seconds
MADE = "synthesis: {width: 4, noise: 8, batch_size: 32, bank: 300, procedural: 0, probe: 48, test: 48}"
SETS = (
    f"strategy={{name: dafl, epochs: 1, rounds: 20, student_steps: 1, batch_size: 24, {MADE}}}",
    f"finish={{name: dafl, epochs: 1, rounds: 40, student_steps: 1, batch_size: 24, {MADE}}}",
    "teacher=teachers/lenet5_mnist5k.yaml",
)


def study_of(folder, *sets: str):
    study = toy_study(folder, *SETS, *sets)
    return replace(study, strategy=DataFree(study.spec.strategy.options), finish=DataFree(study.spec.finish.options))


def test_a_study_without_data_says_what_it_takes_before_it_begins(tmp_path):
    told = []
    check_minutes(study_of(tmp_path), told.append)
    (said,) = told
    assert said.phase == "plan"
    assert re.fullmatch(
        r"takes .* at least \(prepare .*, candidate .*, finish .*\), by three timed steps of each", said.note
    )


def test_what_does_not_fit_its_minutes_is_refused_with_settings_that_do(tmp_path):
    study = study_of(tmp_path, "budget.minutes=1", "strategy.rounds=1000000", "finish.rounds=1000000")
    said = r"budget\.minutes: is 1, and this study takes .* at least .* budget\.allow_slow"
    with pytest.raises(SpecError, match=said) as told:
        check_minutes(study, lambda _: None)
    fitting = {key: int(value) for key, value in re.findall(r"(\w+\.rounds) to (\d+)", str(told.value))}
    assert set(fitting) == {"strategy.rounds", "finish.rounds"}
    assert all(0 < value < 100_000 for value in fitting.values())


def test_minutes_that_are_too_few_for_anything_are_said_to_be(tmp_path):
    with pytest.raises(SpecError, match="too few for any training: raise it"):
        check_minutes(study_of(tmp_path, "budget.minutes=1e-6"), lambda _: None)


def test_whoever_has_time_may_begin_all_the_same(tmp_path):
    told = []
    check_minutes(study_of(tmp_path, "budget.minutes=1e-6", "budget.allow_slow=true"), told.append)
    assert len(told) == 1


def test_a_study_with_data_is_not_timed(tmp_path):
    told = []
    check_minutes(toy_study(tmp_path, "budget.minutes=1e-6"), told.append)
    assert told == []


def test_the_settings_are_those_that_the_study_has():
    assert find_lengths(load_spec("dafl", ("strategy.rounds=7", "finish.rounds=9"))) == {
        "strategy.rounds": 7,
        "finish.rounds": 9,
    }
    made = load_spec("metapruning_datafree", ("task.synthesis.steps=70",))
    assert find_lengths(made)["task.synthesis.steps"] == 70


def test_allowing_what_nothing_limits_is_remarked_on():
    assert "allow_slow" in load_spec("dafl", ("budget.allow_slow=true",)).budget.idle()
