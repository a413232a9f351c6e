from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from kdsearch.candidates.space import Candidate
from kdsearch.errors import DataError, KdsearchError
from kdsearch.executors.base_policy import WORKERS_LOG
from kdsearch.executors.process import Process
from kdsearch.records import Trial
from tests.executors import work

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.timeout(60)]


@pytest.fixture
def executor():
    made = Process(Process.Options(workers=2))
    made.start(work.begin, (0,))
    yield made
    made.shutdown(cancel=True)


def test_two_workers_work_side_by_side_and_are_kept(executor):
    first = [executor.submit(work.where, 0.5) for _ in range(2)]
    started = {future.result()[0] for future in first}
    again = {executor.submit(work.where, 0.0).result()[0] for _ in range(4)}
    assert len(started) == 2
    assert again <= started
    assert os.getpid() not in started


def test_a_worker_has_its_share_of_the_cores_and_ignores_ctrl_c(executor):
    _, threads, interrupted = executor.submit(work.where, 0.0).result()
    assert threads == str(max(1, len(os.sched_getaffinity(0)) // 2))
    assert interrupted == "SIG_IGN"


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_torch_in_a_worker_takes_the_threads_it_is_given():
    executor = Process(Process.Options(workers=1, threads=1))
    executor.start(work.begin, (0,))
    assert executor.submit(work.torch_threads, None).result() == 1
    executor.shutdown()


def test_an_item_whose_worker_is_killed_is_tried_again_on_a_new_one(executor, tmp_path):
    assert executor.submit(work.die_until, str(tmp_path / "marks")).result() == 3
    assert executor.submit(work.add, 1).result() == 1


def test_a_worker_killed_from_outside_is_replaced_and_loses_nothing(executor):
    victim = executor.submit(work.where, 0.0).result()[0]
    futures = [executor.submit(work.where, 1.0) for _ in range(2)]
    time.sleep(0.5)
    os.kill(victim, signal.SIGKILL)
    assert victim not in {future.result()[0] for future in futures}


def test_a_trial_that_kills_three_workers_has_failed_and_others_go_on(executor):
    trial = Trial(5, Candidate.of({"width": 8}))
    beside = executor.submit(work.where, 1.0)
    outcome = executor.submit(work.die, trial).result()
    assert (outcome.number, outcome.state) == (5, "failed")
    assert "a worker process died (signal 9) 3 times at this" in outcome.traceback
    assert beside.result()
    with pytest.raises(KdsearchError, match="died"):
        executor.submit(work.die, "no trial").result()


def test_a_trial_that_hangs_has_failed_and_its_worker_is_replaced():
    executor = Process(Process.Options(workers=1, timeout_minutes=1 / 60))
    executor.start(work.begin_slowly, (0,))  # setting up is not the trial's time
    started = time.monotonic()
    hanging, other = (executor.submit(work.hang, Trial(n, Candidate.of({"width": 8}))) for n in (0, 1))
    outcome = hanging.result()
    assert (outcome.number, outcome.state, outcome.seconds) == (0, "failed", 1.0)
    assert outcome.traceback == "the trial took longer than executor.timeout_minutes (0.0166667); its worker was ended"
    assert other.result().state == "done"
    assert executor.submit(work.where, 2.0).result()  # no trial: it may take its time
    assert time.monotonic() - started < 40
    executor.shutdown()


def test_an_item_that_is_tried_again_says_again_what_it_said(executor):
    heard: list[int] = []

    def hear(number: int) -> int:
        heard.append(number)
        return len(heard)

    assert executor.submit(work.die_after_saying, 7, hear).result() == 7
    assert heard == [7, 7, 7]


def test_a_trial_that_talks_does_not_outlast_its_time():
    executor = Process(Process.Options(workers=1, timeout_minutes=1 / 60))
    executor.start(work.begin, (0,))
    outcome = executor.submit(work.hang_between, Trial(0, Candidate.of({"width": 8})), lambda number: number).result()
    assert (outcome.state, outcome.seconds) == ("failed", 1.0)
    executor.shutdown()


def test_what_workers_log_comes_to_the_driver(executor):
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())
    logger = logging.getLogger(WORKERS_LOG)
    logger.addHandler(handler)
    worker = executor.submit(work.warn, "slow disk").result()
    logger.removeHandler(handler)
    assert heard == [f"worker {worker}: WARNING kdsearch.work: slow disk"]


def test_a_worker_that_cannot_be_set_up_says_why():
    executor = Process(Process.Options(workers=1))
    executor.start(work.begin_badly, ("faces.npz",))
    with pytest.raises(DataError, match=r"^faces\.npz: missing$"):
        executor.submit(work.add, 1).result()
    executor.shutdown()


def test_a_result_that_cannot_be_sent_is_an_error_not_a_dead_worker(executor):
    with pytest.raises(RuntimeError, match="cannot pickle"):
        executor.submit(work.give_a_lock, 1).result()


def test_cancel_ends_work_under_way_at_once(executor):
    future = executor.submit(work.where, 50.0)
    time.sleep(1.0)
    started = time.monotonic()
    executor.shutdown(cancel=True)
    assert time.monotonic() - started < 5
    with pytest.raises(KdsearchError, match="the worker was stopped"):
        future.result()


_DRIVER = """
import sys
from kdsearch.executors.process import Process
from tests.executors import work

if __name__ == "__main__":
    executor = Process(Process.Options(workers=2))
    executor.start(work.begin, (0,))
    print(*[executor.submit(work.where, 0.3).result()[0] for _ in range(4)], flush=True)
    futures = [executor.submit(work.where, 60.0) for _ in range(2)]
    try:
        futures[0].result()
    except KeyboardInterrupt:
        executor.shutdown(cancel=True)
        sys.exit(130)
"""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_workers_end_with_their_driver(tmp_path, sent, code):
    script = tmp_path / "driver.py"
    script.write_text(_DRIVER)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    driver = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    with driver:
        workers = {int(word) for word in driver.stdout.readline().split()}
        time.sleep(0.5)
        if sent is signal.SIGINT:
            os.killpg(driver.pid, sent)  # as a terminal does
        else:
            driver.kill()
        assert driver.wait(20) == code
    deadline = time.monotonic() + 10
    while any(_lives(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert workers
    assert not any(_lives(worker) for worker in workers)


def _lives(process_id):
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"  # an orphan that nobody collects in a container


def test_a_number_of_workers_below_one_is_refused():
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Process.Options(workers=0)
