"""What becomes of an item whose worker is lost or does not answer."""

from __future__ import annotations

import pytest

from kdsearch.candidates.space import Candidate
from kdsearch.errors import KdsearchError
from kdsearch.executors.base_policy import ATTEMPTS, Policy, WorkerLost
from kdsearch.records import Training, Trial

TRIAL, TRAINING = Trial(4, Candidate.of({"width": 8})), Training("net-seed0", Candidate.of({"width": 8}), 0)
LOST = WorkerLost("a node is down")


def test_only_trials_have_a_time_limit():
    assert Policy(0.5).limit_s(TRIAL) == 30.0
    assert Policy(0.5).limit_s(TRAINING) is None
    assert Policy().limit_s(TRIAL) is None


@pytest.mark.parametrize("item", [TRIAL, TRAINING])
def test_what_a_lost_worker_was_at_is_tried_again_before_it_is_given_up(item):
    assert [Policy().after_loss(item, attempt, LOST) for attempt in range(1, ATTEMPTS)] == [None] * (ATTEMPTS - 1)


def test_then_a_trial_has_failed_and_a_training_ends_the_run():
    outcome = Policy().after_loss(TRIAL, ATTEMPTS, LOST)
    assert (outcome.number, outcome.state) == (4, "failed")
    assert outcome.reason == "a node is down 3 times at this; was it short of memory?"
    with pytest.raises(KdsearchError, match="a node is down 3 times at this"):
        Policy().after_loss(TRAINING, ATTEMPTS, LOST)


def test_a_trial_that_took_too_long_has_failed_after_all_of_its_time():
    outcome = Policy(0.5).after_timeout(TRIAL)
    assert (outcome.number, outcome.state, outcome.seconds) == (4, "failed", 30.0)
    assert outcome.reason == "the trial took longer than executor.timeout_minutes (0.5); its worker was ended"
