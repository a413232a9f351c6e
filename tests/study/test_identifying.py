"""What a resumed run must have as it was when the run was launched."""

from __future__ import annotations

import pytest

from kdsearch.errors import StoreError
from kdsearch.spec.study_spec import load_spec
from kdsearch.study.run import resume_study, run_study
from tests.cards import BARS_STUDY, write_images

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120), pytest.mark.usefixtures("one_thread")]
STUDY = BARS_STUDY + "export: []\n"


class Stop(KeyboardInterrupt):
    """What a signal does to a driver."""


@pytest.fixture
def stopped(tmp_path):
    """A run that was stopped in its search, and its data."""
    data = write_images(tmp_path / "bars.npz")
    (tmp_path / "tiny.yaml").write_text(STUDY.format(data=data))

    def watch(progress) -> None:
        if progress.phase == "search" and progress.step == 1:
            raise Stop

    with pytest.raises(Stop):
        run_study(load_spec(tmp_path / "tiny.yaml"), tmp_path / "run", watch)
    return tmp_path / "run", data


def test_data_replaced_since_the_launch_are_refused_and_taken_when_they_are_back(stopped):
    run_dir, data = stopped
    before = data.read_bytes()
    for count in (150, 120):
        write_images(data, count, seed=1)
        with pytest.raises(StoreError, match=r"run: was launched with other data \(.*; put the files back as they"):
            resume_study(run_dir)
    data.write_bytes(before)
    assert resume_study(run_dir)["state"] == "done"


def test_a_study_edited_since_the_launch_is_refused(stopped):
    run_dir, _ = stopped
    spec = run_dir / "spec.json"
    spec.write_text(spec.read_text().replace('"trials": 2', '"trials": 3'))
    with pytest.raises(StoreError, match=r"spec\.json: has been changed since the launch \(budget\)"):
        resume_study(run_dir)
