"""What trainings show on their way lies in the run directory, whoever trained, and with its trial in the ledger."""

from __future__ import annotations

import json
from dataclasses import replace

import optuna
import pytest

from kdsearch.executors.process import Process
from kdsearch.executors.serial import Serial
from kdsearch.progress import unwatched
from kdsearch.records import RunPaths, Training
from kdsearch.rundir.pictures import list_pictures
from kdsearch.strategies.base import Trained
from kdsearch.study.final_trainings import train_all
from kdsearch.study.searching import search
from kdsearch.study.trial import use
from tests.curves import Curves, curve_study, open_ledger, search_curves
from tests.toys import half, toy_study

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("one_thread")]  # the first trace takes seconds
CURVES = [[0.1, 0.2], [0.3, 0.4]]


class Showing(Curves):
    """Shows the number of the epoch; the second trial breaks then."""

    def score(self, ctx, trial, report=None):
        metrics = super().score(ctx, trial, report)
        for epoch in (1, 2):
            ctx.show(epoch, f"{trial.number} {epoch}".encode())
        if trial.number == 1:
            raise ZeroDivisionError("this one breaks")
        return metrics

    def train(self, ctx, candidate, job):  # noqa: ARG002
        ctx.show(1, b"a student")
        return Trained(ctx.widths.build(candidate), ())


def showing_study(folder, pruner="name: nop"):
    return replace(curve_study(folder, pruner, CURVES), strategy=Showing(CURVES))


def found(folder) -> dict[str, list[bytes]]:
    return {of: [path.read_bytes() for path in files] for of, files in list_pictures(RunPaths(folder)).items()}


EXPECTED = {"trial_0000": [b"0 1", b"0 2"], "trial_0001": [b"1 1", b"1 2"]}


@pytest.mark.parametrize("pruner", ["name: nop", "name: median"])
def test_a_trials_pictures_are_kept_and_shown_with_it_whether_or_not_it_failed(tmp_path, pruner):
    study = showing_study(tmp_path, pruner)
    with pytest.raises(AssertionError, match="this one breaks"):
        search_curves(study)
    assert found(tmp_path) == EXPECTED
    with open_ledger(study) as ledger:
        assert [outcome.state for outcome in ledger.outcomes()] == ["done", "failed"]
    trials = optuna.load_study(study_name="toy", storage=_journal(tmp_path)).trials
    shown = [sorted(json.loads(each)["filename"] for each in trial.system_attrs.values()) for trial in trials]
    assert shown == [["0001.png", "0002.png"]] * 2


def test_a_students_pictures_are_kept(tmp_path):
    study = toy_study(tmp_path)
    study = replace(study, finish=Showing(CURVES))
    use(study)
    train_all(study, [Training("winner", half(study.ctx.widths), 0)], Serial(Serial.Options()), unwatched)
    assert found(tmp_path) == {"winner": [b"a student"]}


def start_showing(folder) -> None:
    study = showing_study(folder)
    use(replace(study, finish=study.strategy))


@pytest.mark.medium
def test_pictures_of_workers_come_to_the_driver_by_value(tmp_path):
    study = showing_study(tmp_path / "driver")
    executor = Process(Process.Options(workers=1, threads=1))
    executor.start(start_showing, (tmp_path / "worker",))
    with open_ledger(study) as ledger:
        search(study, ledger, executor, unwatched, seconds_before=0.0)
    train_all(study, [Training("winner", half(study.ctx.widths), 0)], executor, unwatched)
    executor.shutdown()
    assert found(tmp_path / "driver") == {"winner": [b"a student"], **EXPECTED}
    assert found(tmp_path / "worker") == {}


def _journal(folder):
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "study.journal"))
    return optuna.storages.JournalStorage(backend)
