"""A plug-in's own options stand beside its name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from kdsearch.spec.plugins import ExecutorPlugin, FinishPlugin, SearcherPlugin, StrategyPlugin, TaskPlugin


def test_options_are_read_from_beside_the_name_and_written_there_again():
    plugin = SearcherPlugin.model_validate({"name": "evolution", "population": 60})
    assert plugin.options.population == 60
    written = plugin.model_dump(mode="json")
    assert (written["name"], written["population"]) == ("evolution", 60)
    assert SearcherPlugin.model_validate(written) == plugin


def test_a_name_alone_means_the_defaults():
    assert ExecutorPlugin.of("serial") == ExecutorPlugin.model_validate({"name": "serial"})
    assert SearcherPlugin.of("random").find().__name__ == "RandomSearch"


def test_a_task_without_a_name_is_classification_with_its_own_metric():
    task = TaskPlugin.model_validate({"dataset": "mnist5k"})
    assert task.name == "classification"
    assert task.metric.name == "accuracy"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "evolutoin"}, "unknown name 'evolutoin'; did you mean 'evolution'"),
        ({"name": 3}, "must name one of: evolution, optuna, random"),
        ({"name": "random", "population": 7}, "population"),
        ({"name": "evolution", "population": 0}, "greater than or equal to 2"),
    ],
)
def test_what_the_plug_in_does_not_know_is_refused(given, said):
    with pytest.raises(ValidationError, match=said):
        SearcherPlugin.model_validate(given)


def test_a_section_may_hold_its_own_fields_and_those_of_the_plug_in_that_is_named():
    assert {"name", "seeds", "epochs"} <= FinishPlugin.fields_of({"name": "scratch"}).keys()
    assert "epochs" not in FinishPlugin.fields_of({"name": "nosuch"})
    assert "generator" in StrategyPlugin.fields_of({"name": "metapruning"})


def test_rounds_of_finalists_pair_numbers_with_epochs():
    finish = FinishPlugin.model_validate({"name": "scratch", "finalists": [8, 3], "finalist_epochs": [2, 5]})
    assert finish.rounds == ((8, 2), (3, 5))
    assert FinishPlugin.of("scratch").rounds == ()
