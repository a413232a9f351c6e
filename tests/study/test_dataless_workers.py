"""A study without data on workers that do not see the driver's disk: they are handed the bank, and no real image."""

from __future__ import annotations

import pytest

from kdsearch.executors.process import Process
from kdsearch.progress import unwatched
from kdsearch.records import RunPaths, Trial
from kdsearch.study.planning import plan
from kdsearch.study.preparing import prepare, start_workers
from kdsearch.study.sharing import shared_files
from kdsearch.study.synthesising import generate_images
from kdsearch.study.trial import run_trial, use
from tests.banks import write_bank
from tests.executors.elsewhere import Elsewhere
from tests.tiny import tiny_spec

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120), pytest.mark.usefixtures("one_thread")]
SETS = (
    "student={net: lenet5, divisor: 8}",
    "teacher=lenet5_mnist5k",
    "limits={macs: 60%}",
    "strategy={name: metapruning, epochs: 1, pretrain_epochs: 1, batch_size: 15, calibration_images: 30}",
    "strategy.check_genes=0",
    "finish={name: scratch, epochs: 1, batch_size: 15}",
)


def test_workers_without_the_drivers_disk_score_on_the_bank_as_it_would(tmp_path):
    home = tmp_path / "driver"
    paths = RunPaths(home / "run")
    for folder in (paths.checkpoints, paths.prepared, tmp_path / "away"):
        folder.mkdir(parents=True)
    (home / "real.npz").write_bytes(b"no image")
    synthesis = "{steps: 4, batch_size: 32, width: 4, bank: 60, probe: 16, test: 16}"
    task = f"task={{data: none, synthesis: {synthesis}, test: {{npz: {home}/real.npz}}}}"
    study = generate_images(plan(tiny_spec(*SETS, task), paths), unwatched)
    prepare(study, unwatched)
    use(study)
    gene = study.ctx.uniform[0]
    here = run_trial(Trial(0, gene))
    apart = Elsewhere(Process.Options(workers=1, threads=1), tmp_path / "away", forbidden=home)
    start_workers(apart, study)
    there = apart.submit(run_trial, Trial(0, gene)).result()
    apart.shutdown()
    assert (there.state, there.metrics) == ("done", here.metrics)
    names = {name.partition("/")[0] for name in apart.shared}
    assert names == {"generated images", "teacher.card", "teacher weights", "prepared"}


def test_of_a_run_that_a_study_takes_its_bank_from_the_bank_alone_is_shared(tmp_path):
    write_bank(tmp_path / "other/bank")
    task = f"task={{bank: {tmp_path}/other, test: {{npz: real.npz}}}}"
    spec = tiny_spec(task, "student={net: resnet20, width: 0.25, divisor: 1}")
    shared = shared_files(plan(spec, RunPaths(tmp_path / "run")))
    assert shared["task.bank/other"] == tmp_path / "other/bank"
    assert not any("real.npz" in str(path) for path in shared.values())
