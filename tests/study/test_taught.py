"""Whole runs with a teacher: killed, resumed, and refused with another one."""

from __future__ import annotations

import pytest

from kdsearch.errors import StoreError
from kdsearch.records import RunPaths
from kdsearch.rundir.ledger import read_outcomes
from kdsearch.rundir.store import read_summary
from kdsearch.spec.study_spec import load_spec
from kdsearch.spec.teacher_card import shipped_cards
from kdsearch.study.run import resume_study, run_study
from tests.forked import fork
from tests.tiny import kill_in, outcomes_of, untimed, weights_of

pytestmark = [pytest.mark.medium, pytest.mark.timeout(240), pytest.mark.usefixtures("one_thread")]
SETS = (
    "name=taught",
    "student={net: resnet8, width: 0.5, divisor: 1}",
    "task={name: classification, dataset: mnist5k, train_images: 200}",
    "teacher={card: lenet5_mnist5k, mode: cached, views: 2}",
    "search={name: optuna}",
    "strategy.epochs=3",
    "strategy.batch_size=48",
    "strategy.terms=[{ce: 0.1}, {kd: 1.0}, {cc: {weight: {search: loguniform, low: 1, high: 100}}}]",
    "budget={trials: 7}",
    "finish={name: cckd, epochs: 2, batch_size: 48, finalists: 2, finalist_epochs: 1, controls: {full: false}}",
    "export=[]",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache, one_thread):
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDSEARCH_CACHE", str(cache))
        return run_dir, run_study(load_spec("cckd_weights", SETS), run_dir)


def test_killed_in_search_and_finish_and_resumed_ends_in_the_same_bits(tmp_path, whole, cache, monkeypatch):
    """With median pruning: which trials stop early follows from what the ledger holds."""
    monkeypatch.setenv("KDSEARCH_CACHE", str(cache))
    kill_in("search", "launch", "cckd_weights", *(word for text in SETS for word in ("--set", text)), folder=tmp_path)
    kill_in("finish", "resume", "taught", folder=tmp_path)
    with fork("resume", "taught", "--quiet", folder=tmp_path) as driver:
        said = driver.communicate()[1]
    assert driver.returncode == 0, said
    run_dir, (expected_dir, expected) = tmp_path / "runs/taught", whole
    assert outcomes_of(run_dir) == outcomes_of(expected_dir)
    assert untimed(read_summary(RunPaths(run_dir))) == untimed(expected)
    assert weights_of(run_dir) == weights_of(expected_dir)


def test_the_run_tells_its_curves_its_terms_and_its_teacher(whole):
    run_dir, summary = whole
    outcomes = read_outcomes(RunPaths(run_dir))
    assert {len(outcome.curve) for outcome in outcomes} <= {2, 3}
    assert all("term_cc_share" in outcome.metrics for outcome in outcomes)
    assert summary["teacher"]["name"] == "lenet5_mnist5k"
    assert summary["teacher"]["asked"]["strategy"]["mode"] == "cached"
    winner = next(student for student in summary["students"] if student["role"] == "winner")
    assert "cc.weight" in winner["candidate"]
    assert "cc.weight" not in winner["widths"]


def test_another_teacher_is_refused(whole, tmp_path, monkeypatch, cache):
    monkeypatch.setenv("KDSEARCH_CACHE", str(cache))
    card = tmp_path / "lenet5_mnist5k.yaml"
    shipped = shipped_cards()["lenet5_mnist5k.yaml"]
    card.write_text(shipped.read_text())
    (tmp_path / "lenet5_mnist5k.safetensors").write_bytes((shipped.parent / "lenet5_mnist5k.safetensors").read_bytes())
    taught = (*SETS[:3], f"teacher={{card: {card}, mode: online}}", *SETS[4:])
    spec = load_spec("cckd_weights", (*taught, "budget={trials: 1}"))

    def stop(progress):
        if progress.phase == "search":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(spec, tmp_path / "run", stop)
    card.write_text(card.read_text().replace("mean: [0.1", "mean: [0.2"))
    with pytest.raises(StoreError, match=r"was launched with another teacher .*put that one back"):
        resume_study(tmp_path / "run")
