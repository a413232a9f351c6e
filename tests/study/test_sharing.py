"""A study on workers that do not see the driver's disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdsearch.errors import DataError
from kdsearch.executors.process import Process
from kdsearch.executors.serial import Serial
from kdsearch.progress import unwatched
from kdsearch.records import RunPaths, Training, Trial
from kdsearch.spec.study_spec import load_spec
from kdsearch.spec.teacher_card import read_card
from kdsearch.study.final_trainings import train_all
from kdsearch.study.planning import plan
from kdsearch.study.preparing import prepare, start_workers
from kdsearch.study.teach import teach
from kdsearch.study.trial import run_trial
from tests.cards import write_card, write_images
from tests.executors.elsewhere import Dying, Elsewhere

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120), pytest.mark.usefixtures("one_thread")]
STUDY = """
name: tiny
task: {{image_size: 28, npz: {data}, validation_share: 0.2, test_share: 0.2}}
teacher: {{card: {card}, mode: cached, views: 2}}
student: {{net: lenet5, divisor: 8}}
limits: {{macs: 60%}}
strategy: {{name: metapruning, epochs: 1, pretrain_epochs: 1, batch_size: 15, calibration_images: 30, check_genes: 0}}
finish: {{name: kd, epochs: 1, batch_size: 15}}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory, one_thread):
    """A study with a teacher, prepared, in the folder ``driver``."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home") / "driver"
        folder.mkdir()
        patch.setenv("KDSEARCH_CACHE", str(folder / "cache"))
        card = write_card(folder)
        text = (
            card.read_text()
            .replace("net: resnet20, width: 0.125", "net: lenet5")
            .replace("{npz", "{image_size: 28, npz")
        )
        card.write_text(text)
        card = teach(read_card(card), folder / "teacher").card_path
        (folder / "tiny.yaml").write_text(STUDY.format(data=folder / "bars.npz", card=card))
        made = plan(load_spec(folder / "tiny.yaml"), RunPaths(folder / "run"))
        prepare(made, unwatched)
        yield made


def moved_to(study, run_dir: Path):
    """The study with a run directory of its own, and with what was prepared for all."""
    paths = RunPaths(run_dir, prepared_in=study.ctx.paths.prepared)
    return replace(study, ctx=replace(study.ctx, paths=paths))


def work_on(study, executor, run_dir: Path):
    """What comes of two trials and two trainings on the executor: outcomes, and the files of the trainings."""
    study = moved_to(study, run_dir)
    genes = (study.ctx.uniform[0], study.ctx.widths.smallest)
    start_workers(executor, study)
    outcomes = [executor.submit(run_trial, Trial(at, gene)).result() for at, gene in enumerate(genes)]
    train_all(study, [Training(f"net{at}", gene, at) for at, gene in enumerate(genes)], executor, unwatched)
    executor.shutdown()
    files = {path.name: path for path in (run_dir / "checkpoints/finish").iterdir()}
    kept = {name: path.read_bytes() for name, path in files.items() if path.suffix == ".safetensors"}
    return [(o.number, o.candidate, o.state, o.metrics, o.costs) for o in outcomes], sorted(files), kept


def test_workers_without_the_drivers_disk_give_what_it_would_to_the_last_bit(study, tmp_path):
    here = work_on(study, Serial(Serial.Options()), tmp_path / "serial")
    home = study.ctx.paths.root.parent
    apart = Elsewhere(Process.Options(workers=1, threads=1), tmp_path / "away", forbidden=home)
    (tmp_path / "away").mkdir()
    assert work_on(study, apart, tmp_path / "apart") == here
    assert here[1] == ["net0.json", "net0.safetensors", "net1.json", "net1.safetensors"]
    assert {outcome[2] for outcome in here[0]} == {"done"}
    assert not (tmp_path / "away/cache/teachers").exists()  # nobody asked the teacher again
    names = {name.partition("/")[0] for name in apart.shared}
    assert names == {"task.npz", "teacher.card", "teacher weights", "stored answers", "prepared"}


def test_a_training_whose_worker_dies_goes_on_from_the_checkpoint_that_came_back(study, tmp_path):
    training = Training("net", study.ctx.uniform[0], 0, epochs=3)
    kept = []
    for name in ("here", "there"):
        moved = moved_to(study, tmp_path / name)
        executor = Dying(Process.Options(workers=1, threads=1)) if name == "there" else Serial(Serial.Options())
        start_workers(executor, moved)
        train_all(moved, [training], executor, unwatched)
        executor.shutdown()
        kept.append((tmp_path / name / "checkpoints/finish/net.safetensors").read_bytes())
        assert not list((tmp_path / name).rglob("*.pt*"))
    assert kept[0] == kept[1]
    asked, made = executor.asked, executor.made
    assert asked == [False, True]
    assert made <= 3 * 6 + 2  # so many steps has the training: it did not begin anew


def test_a_worker_with_other_data_than_the_driver_is_refused(study, tmp_path):
    executor = Elsewhere(Process.Options(workers=1, threads=1), tmp_path / "away", forbidden=tmp_path / "none")
    (tmp_path / "away").mkdir()
    moved = moved_to(study, tmp_path / "run")
    start_workers(executor, moved)
    write_images(executor.shared["task.npz/bars.npz"], seed=1)
    with pytest.raises(DataError, match=r"^a worker on .* has other data than the driver \(digest .*; put the same"):
        executor.submit(run_trial, Trial(0, study.ctx.uniform[0])).result()
    executor.shutdown()
