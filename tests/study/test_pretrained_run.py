"""A study whose student starts from published weights: planned, run, loaded again, and known again on resume."""

from __future__ import annotations

import pytest
import torch

from kdsearch.errors import StoreError
from kdsearch.records import RunPaths
from kdsearch.spec.study_spec import load_spec
from kdsearch.study.loading import load_student
from kdsearch.study.planning import plan
from kdsearch.study.run import resume_study, run_study
from tests.cards import write_images
from tests.hubs import NET, hide_hubs, publish_timm

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120), pytest.mark.usefixtures("one_thread")]
STUDY = """
name: tiny
task: {{npz: {data}, image_size: 28, validation_share: 0.2, test_share: 0.2}}
student: {{timm: {net}, pretrained: true, divisor: 8}}
limits: {{macs: 60%, window: null}}
strategy: {{name: scratch, epochs: 1, batch_size: 15}}
budget: {{trials: 2}}
finish: {{name: scratch, epochs: 1, batch_size: 15, controls: {{uniform: false, full: false}}}}
export: []
"""


class Stop(KeyboardInterrupt):
    """What a signal does to a driver."""


@pytest.fixture
def spec(tmp_path, monkeypatch):
    hide_hubs(tmp_path, monkeypatch)
    publish_timm(tmp_path)
    (tmp_path / "tiny.yaml").write_text(STUDY.format(data=write_images(tmp_path / "bars.npz"), net=NET))
    return load_spec(tmp_path / "tiny.yaml")


def test_it_reads_images_as_published_and_its_fresh_classifier_is_no_trained_one(spec, tmp_path):
    study = plan(spec, RunPaths(tmp_path / "run"))
    assert study.task.mean == (pytest.approx(0.5),)
    assert study.task.std == (pytest.approx(0.5),)
    assert not study.ctx.trained
    own = spec.model_copy(update={"student": spec.student.model_copy(update={"mean": (0.1,), "std": (0.2,)})})
    assert plan(own, RunPaths(tmp_path / "run")).task.mean == (0.1,)


def test_a_stopped_run_goes_on_with_the_same_weights_only_and_its_student_needs_no_hub(spec, tmp_path):
    def watch(progress) -> None:
        if progress.phase == "search" and progress.step == 1:
            raise Stop

    with pytest.raises(Stop):
        run_study(spec, tmp_path / "run", watch)
    publish_timm(tmp_path, seed=8)
    with pytest.raises(StoreError, match=r"was launched with other published weights \(.*; put the hub's cache back"):
        resume_study(tmp_path / "run")
    publish_timm(tmp_path)
    assert resume_study(tmp_path / "run")["state"] == "done"
    next(tmp_path.rglob("model.safetensors")).unlink()
    with torch.no_grad():
        assert load_student(tmp_path / "run")(torch.zeros(2, 1, 28, 28)).shape[0] == 2
