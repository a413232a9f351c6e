from __future__ import annotations

import pytest

from kdsearch.candidates.space import Candidate
from kdsearch.records import Outcome
from kdsearch.report.limits import find_budget
from tests.report.conftest import run_of


@pytest.mark.parametrize(("macs", "budget"), [(10, 0), (25, 0), (26, 1), (50, 1), (80, 1)])
def test_a_trial_belongs_to_the_tightest_budget_that_it_fits(macs, budget):
    run = run_of(budgets=[{"macs": [20, 25]}, {"macs": [40, 50]}])
    assert find_budget(run, Outcome(0, Candidate.of({}), "done", {"accuracy": 0.5}, {"macs": macs})) == budget
