"""What a study says of its pruner, and what it is told where that is wrong."""

from __future__ import annotations

import pytest

from kdsearch.errors import SpecError
from kdsearch.spec.idle import idle_options
from kdsearch.spec.reference import list_entries
from kdsearch.spec.study_spec import dumps, load_document, load_spec, loads

SCRATCH = ("strategy={name: scratch, epochs: 9}", "finish={name: scratch}")


def mistakes(*sets: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_spec("quickstart", (*SCRATCH, *sets))
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("pruner", "said"),
    [
        ("{name: median, warmup_epochs: -1}", "pruner.warmup_epochs: must be >= 0 (got -1)"),
        ("{name: median, startup_trials: 1.5}", "pruner.startup_trials: must be a whole number (got 1.5)"),
        ("{name: percentile, percentile: 101}", "pruner.percentile: must be <= 100 (got 101)"),
        ("{name: hyperband, reduction_factor: 1}", "pruner.reduction_factor: must be >= 2 (got 1)"),
        ("{name: successive_halving, min_epochs: 0}", "pruner.min_epochs: must be >= 1 (got 0)"),
        ("{name: patient, min_delta: -0.1}", "pruner.min_delta: must be >= 0 (got -0.1)"),
        ("{name: patient, wraps: {name: median, min_trials: 0}}", "pruner.wraps.min_trials: must be >= 1 (got 0)"),
        ("{name: wilcoxon, p_threshold: 2}", "pruner.p_threshold: must be <= 1 (got 2)"),
        ("{name: threshold}", "pruner: needs lower or upper, such as lower: 0.3"),
        ("{name: threshold, lower: 0.8, upper: 0.2}", "pruner: lower (0.8) is above upper (0.2); swap them"),
        ("{name: nop, patience: 3}", "pruner.patience: unknown key; known: name"),
        ("{name: medain}", "pruner.name: unknown name 'medain'; did you mean 'median'?"),
    ],
)
def test_an_option_out_of_bounds_is_one_line(pruner, said):
    (line,) = mistakes(f"pruner={pruner}")
    assert line.endswith(said)


@pytest.mark.parametrize(
    ("pruner", "first"),
    [
        ("{name: median, warmup_epochs: 8}", 9),
        ("{name: threshold, lower: 0.1, warmup_epochs: 20}", 21),
        ("{name: successive_halving, min_early_stopping_rate: 2}", 16),
        ("{name: hyperband, min_epochs: 9}", 9),
        ("{name: patient, patience: 7}", 9),
        ("{name: patient, patience: 1, wraps: {name: wilcoxon, startup_epochs: 12}}", 12),
    ],
)
def test_a_pruner_that_could_stop_none_is_refused(pruner, first):
    (line,) = mistakes(f"pruner={pruner}")
    name = pruner.removeprefix("{name: ").split(",")[0]
    assert line.endswith(
        f"pruner: {name} stops no trial before epoch {first}; strategy.epochs is 9, raise it or say nop"
    )


@pytest.mark.parametrize("section", ["strategy", "finish"])
def test_the_key_of_older_studies_is_answered_with_the_new_section(section):
    with pytest.raises(SpecError) as caught:
        load_spec("kd", (f"{section}.prune=median",))
    assert str(caught.value).startswith(f"--set {section}.prune=median: {section}.prune: is a section of the study now")
    assert str(caught.value).endswith("pruner: {name: median}")


def test_a_study_has_no_pruner_unless_it_says_so_and_keeps_the_one_that_it_names():
    assert load_spec("quickstart").pruner.name == "nop"
    spec = load_spec("quickstart", (*SCRATCH, "pruner={name: patient, wraps: {name: median, warmup_epochs: 2}}"))
    assert spec.pruner.options.wraps.options.warmup_epochs == 2
    assert loads(dumps(spec)) == spec


def test_a_pruner_has_its_effect_where_candidates_are_trained():
    assert not idle_options(*load_document("quickstart", (*SCRATCH, "pruner={name: median}")))


def test_the_keys_of_every_pruner_are_listed():
    titles = [entry.title for entry in list_entries("pruner")]
    names = ("hyperband", "median", "nop", "patient", "percentile", "successive_halving", "threshold", "wilcoxon")
    assert titles == ["pruner", *(f"pruner: {{name: {name}}}" for name in names)]
