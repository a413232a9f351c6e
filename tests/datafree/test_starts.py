from __future__ import annotations

import pytest
import torch

from kdsearch.datafree.starts import StartsLearner, mean_starts
from kdsearch.training import loop
from kdsearch.training.learner import Moment
from kdsearch.training.loop import Setting, fit
from tests.datafree.test_control import small
from tests.toys import CPU

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("one_thread")]


def starts(count: int, **options) -> StartsLearner:
    return StartsLearner([small(seed=seed, rounds=3, **options) for seed in range(count)])


def test_half_goes_on_after_a_quarter_and_after_half_of_the_epochs():
    made = starts(3, epochs=8)
    history = fit(made, Setting(0, CPU))
    assert [record["starts"] for record in history] == [3, 2, 2, 1, 1, 1, 1, 1]
    assert mean_starts(3) == (3 * 2 + 2 * 2 + 1 * 4) / 8
    assert mean_starts(1) == 1


def test_the_pooled_probe_decides_and_not_each_start_s_own():
    made = starts(3, epochs=4)
    with torch.random.fork_rng():
        for at in range(3):
            torch.manual_seed(at)
            for _ in range(3):
                made._starts[at].step((), Moment(0, 12, 3, 0))
    with torch.no_grad():  # the first learned the least
        made._starts[0].student[1].weight.mul_(-5)
    made.close_epoch()
    assert len(made.going) == 2
    assert 0 not in made.going
    pooled = {at: made.pool(at) for at in made.going}
    assert made.going[0] == min(pooled, key=pooled.get)


def test_all_that_is_left_is_the_best_start_with_its_best_student():
    made = starts(2, epochs=4)
    fit(made, Setting(0, CPU))
    assert made.select() == pytest.approx(made.best.probe()["probe_kl"])
    assert made.student is made.best.student
    assert made.picture() == made.best.picture()


def test_killed_at_any_step_it_ends_in_the_same_bits(tmp_path, monkeypatch):
    whole = starts(3, epochs=4)
    expected = fit(whole, Setting(0, CPU))
    monkeypatch.setattr(loop, "_SAVE_SECONDS", 0.0)
    monkeypatch.setattr(loop, "_WATCH_SECONDS", 0.0)
    told: list[int] = []

    def die_at_every_third(progress) -> None:
        told.append(progress.step)
        if len(told) % 3 == 0:
            raise InterruptedError

    for _ in range(20):
        last = starts(3, epochs=4)
        try:
            history = fit(last, Setting(0, CPU, tmp_path / "it.pt", die_at_every_third))
            break
        except InterruptedError:
            continue
    assert [{**each, "seconds": 0} for each in history] == [{**each, "seconds": 0} for each in expected]
    assert last.going == whole.going
    assert all(map(torch.equal, last.student.parameters(), whole.student.parameters()))
