"""One changed byte in any file of a run: what comes out is as without it, with a warning, or there is one line."""

from __future__ import annotations

import contextlib
import logging
import shutil
from pathlib import Path

import pytest

from kdsearch.cli.runs import describe_progress
from kdsearch.errors import KdsearchError
from kdsearch.report.html import write_html
from kdsearch.spec.study_spec import load_spec
from kdsearch.study.run import resume_study, run_study
from tests.cards import write_images
from tests.tiny import outcomes_of, untimed

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120), pytest.mark.usefixtures("one_thread")]
STUDY = """
name: tiny
task: {{npz: {data}, image_size: 28, validation_share: 0.2, test_share: 0.2}}
student: {{net: lenet5, divisor: 8}}
limits: {{macs: 60%}}
search: {{name: random}}
strategy: {{name: metapruning, epochs: 1, pretrain_epochs: 1, batch_size: 15, calibration_images: 30, check_genes: 0}}
budget: {{trials: 3}}
finish: {{name: scratch, epochs: 1, batch_size: 15, controls: {{uniform: false, full: false}}}}
"""
# nothing reads these: logs, locks, the page that is written anew, and checkpoints of what is finished
UNREAD = ("logs/run.log", "lock", "report.html", "checkpoints/pretrained.pt", "checkpoints/pruningnet.pt")


class Stop(KeyboardInterrupt):
    """What a signal does to a driver."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory, one_thread):
    """A run that is done, and the same one stopped before its students are exported."""
    folder = tmp_path_factory.mktemp("runs")
    data = write_images(folder / "bars.npz")
    (folder / "tiny.yaml").write_text(STUDY.format(data=data))
    spec = load_spec(folder / "tiny.yaml")

    def watch(progress) -> None:
        if progress.phase == "export":
            raise Stop

    with pytest.raises(Stop):
        run_study(spec, folder / "half", watch)
    shutil.copytree(folder / "half", folder / "done")
    resume_study(folder / "done")
    return folder


def flip(path: Path, share: float) -> None:
    content = bytearray(path.read_bytes())
    at = int(share * (len(content) - 1))
    content[at] ^= 1
    path.write_bytes(bytes(content))


def files_of(run_dir: Path) -> list[str]:
    found = sorted(str(path.relative_to(run_dir)) for path in run_dir.rglob("*") if path.is_file())
    return [name for name in found if name not in UNREAD and (run_dir / name).stat().st_size]


def what_came(run_dir: Path):
    """All that a run gives, without what a clock or a place on the disk says."""
    summary = resume_study(run_dir)
    kept = {path.name: path.read_bytes() for path in sorted(run_dir.rglob("*.safetensors"))}
    for student in summary["students"]:
        del student["costs"]["size_bytes"]  # measured times stand in the exported file, more digits or fewer
    return untimed(summary), kept, outcomes_of(run_dir)


@pytest.mark.timeout(600)
@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("state", ["half", "done"])
def test_a_flipped_byte_in_any_file_is_never_used(runs, tmp_path, caplog, state, share):
    expected = what_came(shutil.copytree(runs / "done", tmp_path / "whole"))
    met = {}
    for name in files_of(runs / state):
        run_dir = shutil.copytree(runs / state, tmp_path / name.replace("/", "-"))
        flip(run_dir / name, share)
        caplog.clear()
        for look in (describe_progress, write_html):
            with contextlib.suppress(KdsearchError):  # one line; anything else is a bug
                look(run_dir)
        try:
            with caplog.at_level(logging.WARNING):
                found = what_came(run_dir)
        except KdsearchError:
            met[name] = "refused"
            continue
        assert found == expected, name
        met[name] = "warned" if [r for r in caplog.records if "already" not in r.message] else "silent"
    # of an ended run nobody needs the seconds any more; status says that they are damaged
    assert {name for name, how in met.items() if how == "silent"} <= {"failure.json", "seconds.json"}
    assert "warned" in met.values()
    assert "refused" in met.values()


@pytest.mark.parametrize(
    "name",
    ["prepared/pruningnet.safetensors", "prepared/prepared.json", "study.journal", "checkpoints/finish/*.safetensors"],
)
def test_what_can_be_made_again_is_made_again_with_a_warning(runs, tmp_path, caplog, name):
    expected = what_came(shutil.copytree(runs / "done", tmp_path / "whole"))
    run_dir = shutil.copytree(runs / "half", tmp_path / "flipped")
    flip(next(run_dir.glob(name)), 0.8)
    with caplog.at_level(logging.WARNING):
        assert what_came(run_dir) == expected
    assert "damaged" in caplog.text or "not written to its end" in caplog.text
