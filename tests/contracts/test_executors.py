"""What every executor in the registry promises."""

from __future__ import annotations

import pytest

from kdsearch import registry
from kdsearch.candidates.space import Candidate
from kdsearch.errors import DataError
from kdsearch.records import Trial
from tests.executors import work

NAMES = [name for name in registry.available("kdsearch.executors") if name != "ray"]


def _options(name):
    options = registry.find("kdsearch.executors", name).Options
    return options(workers=2) if "workers" in options.model_fields else options()


@pytest.fixture(params=NAMES)
def executor(request):
    made = registry.find("kdsearch.executors", request.param)(_options(request.param))
    made.start(work.begin, (100,))
    yield made
    made.shutdown()


def test_serial_and_process_are_registered():
    assert set(NAMES) >= {"serial", "process"}


@pytest.mark.timeout(30)
def test_workers_are_set_up_once_and_every_item_is_answered(executor):
    futures = [executor.submit(work.add, number) for number in range(10)]
    assert [future.result() for future in futures] == list(range(100, 110))
    assert executor.capacity >= 1


@pytest.mark.timeout(30)
def test_trials_go_out_and_outcomes_come_back(executor):
    trial = Trial(3, Candidate.of({"width": 8}, "random"), bar=0.1)
    outcome = executor.submit(work.score, trial).result()
    assert (outcome.number, outcome.candidate, outcome.candidate.origin) == (3, trial.candidate, "random")


@pytest.mark.timeout(30)
def test_what_a_worker_says_is_answered_before_its_result(executor):
    heard: list[int] = []

    def hear(number: int) -> int:
        heard.append(number)
        return 10 * number

    assert executor.submit(work.converse, 3, hear).result() == [0, 10, 20]
    assert heard == [0, 1, 2]


@pytest.mark.timeout(30)
def test_what_the_driver_raises_at_a_message_ends_the_item_and_others_go_on(executor):
    def hear(number: int) -> int:
        raise DataError(f"file {number}: no room")

    with pytest.raises(DataError, match=r"^file 0: no room$"):
        executor.submit(work.converse, 3, hear).result()
    assert executor.submit(work.add, 1).result() == 101


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_shared_is_read_where_the_worker_is_told(name, tmp_path):
    (tmp_path / "a.txt").write_text("shared")
    made = registry.find("kdsearch.executors", name)(_options(name))
    made.share({"texts/a.txt": tmp_path / "a.txt"})
    made.start(work.remember, (0,))
    assert made.submit(work.read_shared, "texts/a.txt").result() == "shared"
    made.shutdown()


@pytest.mark.timeout(30)
def test_what_a_function_raises_is_raised_where_the_result_is_asked_for(executor):
    with pytest.raises((ValueError, RuntimeError), match="no 7"):
        executor.submit(work.fail, 7).result()
    with pytest.raises(DataError, match=r"^file 7: broken$"):
        executor.submit(work.fail_in_words, 7).result()
    assert executor.submit(work.add, 1).result() == 101
