from __future__ import annotations

import json
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest

from kdsearch.candidates.space import Candidate, Choice, Real, SearchSpace
from kdsearch.errors import StoreError
from kdsearch.records import Outcome, RunPaths
from kdsearch.rundir.ledger import Ledger, note, read_outcomes
from kdsearch.spec.metric import Metric

ROOT = Path(__file__).parents[2]
PARAMETERS = (
    Choice("stage", (4, 7, 16)),
    Choice("even", (8, 16, 24)),
    Choice("loss", ("kl", "l2")),
    Choice("fixed", (10,)),
    Real("rate", 1e-4, 1e-1, log=True),
)
SPACE = SearchSpace(PARAMETERS)


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "spec.json").write_text(json.dumps({"name": "toy", "storage": "journal"}))
    return RunPaths(tmp_path)


def _ledger(paths, **options):
    return Ledger(paths, "journal", "toy", PARAMETERS, **options)


def _outcome(number, state="done"):
    candidate = SPACE.sample(np.random.default_rng(number), f"mutation of {number - 1}")
    metrics = {"accuracy": 0.5 + number / 100, "accuracy_stderr": 0.01, "images": 500}
    if state == "failed":
        return Outcome(number, candidate, "failed", {}, {"macs": 1000 + number}, 0.5, "Traceback:\nValueError: no")
    return Outcome(number, candidate, "done", metrics, {"macs": 1000 + number, "size_bytes": 7}, 1.25)


def _full(outcome):
    return (outcome, outcome.candidate.origin)


def test_outcomes_read_back_as_they_were_in_the_order_they_came(paths):
    outcomes = [_outcome(3), _outcome(0, "failed"), _outcome(7)]
    with _ledger(paths) as ledger:
        for outcome in outcomes:
            ledger.append(outcome)
        assert ledger.outcomes() == outcomes
    with _ledger(paths) as again:
        assert [_full(each) for each in again.outcomes()] == [_full(each) for each in outcomes]
        again.append(_outcome(1))
    assert [each.number for each in read_outcomes(paths)] == [3, 0, 7, 1]


def test_a_trial_that_was_stopped_early_keeps_its_curve_and_the_dashboard_sees_it_pruned(paths):
    base = _outcome(0)
    outcome = Outcome(0, base.candidate, "done", {"accuracy": 0.4, "pruned": 1.0}, base.costs, 1.0, curve=(0.2, 0.4))
    with _ledger(paths) as ledger:
        ledger.append(outcome)
        assert ledger.outcomes() == [outcome]
    study = optuna.load_study(
        study_name="toy",
        storage=optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(paths.root / "study.journal"))
        ),
    )
    (trial,) = study.get_trials()
    assert trial.state is optuna.trial.TrialState.PRUNED
    assert trial.intermediate_values == {1: 0.2, 2: 0.4}
    assert read_outcomes(paths) == [outcome]


def test_figures_that_are_no_numbers_survive_and_the_journal_stays_plain_json(paths):
    odd = Outcome(0, _outcome(0).candidate, "done", {"accuracy": 0.5, "loss": math.inf}, {"macs": 1})
    lost = Outcome(1, _outcome(1).candidate, "done", {"accuracy": math.nan}, {"macs": 1})
    with _ledger(paths) as ledger:
        ledger.append(odd)
        ledger.append(lost)
    first, second = read_outcomes(paths)
    assert first == odd
    assert second.state == "done"
    assert math.isnan(second.metrics["accuracy"])
    text = (paths.root / "study.journal").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text


def test_the_dashboard_sees_one_trial_an_outcome_with_its_figures(paths):
    with _ledger(paths, objectives=("accuracy", "macs")) as ledger:
        ledger.append(_outcome(0))
        ledger.append(_outcome(1, "failed"))
        study = ledger._study
    done, failed = study.trials
    assert study.metric_names == ["accuracy", "macs"]
    assert done.values == [0.5, 1000.0]
    assert done.params == _outcome(0).candidate.values
    assert done.user_attrs["cost macs"] == 1000
    assert done.user_attrs["origin"] == "mutation of -1"
    assert done.duration.total_seconds() == 1.25
    assert failed.state == optuna.trial.TrialState.FAIL
    assert failed.user_attrs["traceback"].endswith("ValueError: no")


def _scored(number, score, accuracy, **more):
    candidate = SPACE.sample(np.random.default_rng(number), "random")
    metrics = {"accuracy": accuracy, "score": score, **more}
    return Outcome(number, candidate, "done", metrics, {"macs": 5}, 1.0)


@pytest.mark.parametrize("ranked_by", ["score", "accuracy"])
def test_optunas_best_trial_is_the_one_that_ranks_first(paths, ranked_by):
    """Likelihood and accuracy disagree about these two; a third one was given up on its first images."""
    with _ledger(paths, objectives=(ranked_by,)) as ledger:
        ledger.append(_scored(0, score=-1.5, accuracy=0.4))
        ledger.append(_scored(1, score=-2.5, accuracy=0.6))
        ledger.append(_scored(2, score=-0.1, accuracy=0.9, dropped=1.0))
        study = ledger._study
    assert study.metric_names == [ranked_by]
    assert study.best_trial.user_attrs["number"] == {"score": 0, "accuracy": 1}[ranked_by]
    assert study.best_trial.user_attrs["metric accuracy"] == {"score": 0.4, "accuracy": 0.6}[ranked_by]
    if ranked_by == "score":
        assert study.best_trial.user_attrs["number"] == max(ledger.outcomes()[:2], key=lambda each: each.merit).number


def test_a_figure_of_which_lower_is_better_is_minimised_and_its_score_maximised(paths, tmp_path):
    error = Metric("error", better="lower")
    for name, direction in (("error", "MINIMIZE"), ("score", "MAXIMIZE")):
        paths = RunPaths(tmp_path / name)
        paths.root.mkdir()
        with _ledger(paths, objectives=(name, "macs"), metric=error) as ledger:
            assert [each.name for each in ledger._study.directions] == [direction, "MINIMIZE"]


def test_a_ledger_that_was_begun_with_accuracies_goes_on_with_them(paths):
    """As an older version left it, though its strategy ranks by likelihood."""
    with _ledger(paths) as ledger:
        ledger.append(_scored(0, score=-1.5, accuracy=0.4))
    with _ledger(paths, objectives=("score",)) as again:
        again.append(_scored(1, score=-2.5, accuracy=0.6))
        assert [trial.value for trial in again._study.trials] == [0.4, 0.6]
    assert [outcome.merit for outcome in read_outcomes(paths)] == [-1.5, -2.5]


@pytest.mark.medium
@pytest.mark.timeout(60)  # the dashboard takes seconds to import
def test_a_note_is_written_once_and_changes_no_outcome(paths):
    get_note = pytest.importorskip("optuna_dashboard").get_note
    note(paths, "before the search there is no page")
    with _ledger(paths) as ledger:
        ledger.append(_outcome(0))
    before = read_outcomes(paths)
    note(paths, "# results")
    note(paths, "# other results")
    with _ledger(paths) as ledger:
        assert get_note(ledger._study) == "# results"
    assert read_outcomes(paths) == before


def test_widths_are_integers_on_an_axis_and_words_are_categories(paths):
    with _ledger(paths) as ledger:
        ledger.append(_outcome(0))
        distributions = ledger._study.trials[0].distributions
    assert distributions == {
        "stage": optuna.distributions.IntDistribution(4, 16, step=3),
        "even": optuna.distributions.IntDistribution(8, 24, step=8),
        "fixed": optuna.distributions.IntDistribution(10, 10),
        "loss": optuna.distributions.CategoricalDistribution(("kl", "l2")),
        "rate": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
    }


def test_a_number_is_appended_once(paths):
    with _ledger(paths) as ledger:
        ledger.append(_outcome(0))
    with _ledger(paths) as again, pytest.raises(ValueError, match="trial 0 is in the ledger already"):
        again.append(_outcome(0))


@pytest.mark.parametrize("torn", [b'{"op_code":4,"worker_id":"x","st', b"\0\0\0\0", b'{"op_code":4\n'])
def test_a_torn_last_line_is_cut_off_with_a_warning_and_nothing_else_is_lost(paths, torn, caplog):
    with _ledger(paths) as ledger:
        for number in range(3):
            ledger.append(_outcome(number))
    journal = paths.root / "study.journal"
    whole = journal.stat().st_size
    with journal.open("ab") as file:
        file.write(torn)
    assert len(read_outcomes(paths)) == 3  # a reader leaves the file alone
    assert journal.stat().st_size == whole + len(torn)
    with caplog.at_level(logging.WARNING), _ledger(paths) as again:
        assert f"cut off {len(torn)} bytes" in caplog.text
        again.append(_outcome(3))
    assert read_outcomes(paths) == [_outcome(number) for number in range(4)]


def test_a_trial_torn_in_the_middle_is_the_only_one_lost(paths):
    with _ledger(paths) as ledger:
        for number in range(3):
            ledger.append(_outcome(number))
    journal = paths.root / "study.journal"
    with journal.open("r+b") as file:
        file.truncate(journal.stat().st_size - 20)
    with _ledger(paths) as again:
        assert again.outcomes() == [_outcome(0), _outcome(1)]
        again.append(_outcome(2))
    assert len(read_outcomes(paths)) == 3


def _rubbish(line: bytes) -> bytes:
    return b"rubbish\n"


def _one_bit(line: bytes) -> bytes:
    at = line.index(b'"metric accuracy":') + 20
    return line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]


def _other_key(line: bytes) -> bytes:
    assert b'\\"step\\"' in line
    return line.replace(b'\\"step\\"', b'\\"rtep\\"')


@pytest.mark.parametrize("damage", [_rubbish, _one_bit, _other_key])
def test_damage_inside_the_journal_is_told_to_readers_and_cut_off_by_the_next_driver(paths, damage, caplog):
    with _ledger(paths) as ledger:
        for number in range(3):
            ledger.append(_outcome(number))
    journal = paths.root / "study.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:-2], damage(lines[-2]), lines[-1]]))
    with pytest.raises(StoreError, match=r"(journal: the ledger cannot be read: |^trial 1 of the ledger is damaged)"):
        read_outcomes(paths)
    with _ledger(paths) as ledger:
        assert [outcome.number for outcome in ledger.outcomes()] == [0]
    assert "study.journal: line 5 is damaged; the 2 from there on are evaluated again" in caplog.text


def test_a_run_without_trials_has_no_outcomes(paths):
    assert read_outcomes(paths) == []
    assert not (paths.root / "study.journal").exists()


_WRITER = """
import sys
from pathlib import Path
from tests.rundir.test_ledger import PARAMETERS, _outcome
from kdsearch.rundir.ledger import Ledger
from kdsearch.records import RunPaths
ledger = Ledger(RunPaths(Path(sys.argv[1])), "journal", "toy", PARAMETERS)
for number in range(100_000):
    ledger.append(_outcome(number))
    print(number, flush=True)
"""


@pytest.mark.timeout(30)
def test_what_was_appended_survives_a_kill_and_the_next_driver_need_not_wait(paths):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _WRITER, str(paths.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        for _ in range(20):
            last = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        last = max([last, *(int(line) for line in writer.stdout if line.endswith("\n"))])
    (paths.root / "study.journal.lock").unlink(missing_ok=True)
    (paths.root / "study.journal.lock").symlink_to(paths.root / "study.journal")  # as if killed while it wrote
    with _ledger(paths) as ledger:
        outcomes = ledger.outcomes()
        ledger.append(_outcome(len(outcomes)))
    assert len(outcomes) in (last + 1, last + 2)  # one may have been written but not yet announced
    assert outcomes == [_outcome(number) for number in range(len(outcomes))]


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_told_in_one_line_and_nothing_written_is_lost(small_disk):
    paths = RunPaths(small_disk)
    ledger = _ledger(paths)
    while shutil.disk_usage(small_disk).free > 8192:
        ledger.append(_outcome(len(ledger.outcomes())))
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    written = len(ledger.outcomes())
    told = r"study\.journal: no space left on device; free some and resume"
    for number in range(written, written + 10):  # the last block of the file may still take some
        try:
            ledger.append(_outcome(number))
        except StoreError:
            written = number
            break
    with pytest.raises(StoreError, match=told):
        ledger.append(_outcome(written))
    assert written > 5
    assert (small_disk / "study.journal").read_bytes().endswith(b"\n")
    subprocess.run(["mount", "-o", "remount,size=256k", str(small_disk)], check=True)
    with _ledger(paths) as again:
        assert again.outcomes() == [_outcome(number) for number in range(written)]
        again.append(_outcome(written))
    ledger.append(_outcome(written + 1))  # the one that met the full disk goes on too
    assert len(_ledger(paths).outcomes()) == written + 2


def test_outcomes_of_candidates_are_equal_only_by_value():
    assert Candidate.of({"a": 1}, "x") == Candidate.of({"a": 1}, "y")
