"""A study with a limit on bytes, from its launch to the file that is delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdsearch.errors import InfeasibleError
from kdsearch.exporters.base_manifest import read_manifest
from kdsearch.records import RunPaths
from kdsearch.rundir.ledger import read_outcomes
from kdsearch.spec.study_spec import StudySpec, load_spec
from kdsearch.study.run import run_study
from tests.cards import write_images

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120), pytest.mark.usefixtures("one_thread")]
STUDY = """
name: small
task: {{npz: {data}, image_size: 28, validation_share: 0.2, test_share: 0.2}}
student: {{net: lenet5, divisor: 8}}
limits: {{size_bytes: {size}}}
search: {{name: random}}
strategy: {{name: scratch, epochs: 1, batch_size: 30}}
budget: {{trials: 3}}
finish: {{name: scratch, epochs: 1, batch_size: 30, controls: {{uniform: false, full: false}}}}
export: [{{name: torchscript}}]
"""


def spec_of(folder: Path, size: str | int) -> StudySpec:
    data = write_images(folder / "bars.npz")
    (folder / "small.yaml").write_text(STUDY.format(data=data, size=size))
    return load_spec(folder / "small.yaml")


def test_every_file_that_is_delivered_holds_the_limit_on_bytes(tmp_path):
    """The net's weights alone have 128 kB, and its files some 20 kB more."""
    allowed = 90_000
    run_dir = tmp_path / "run"
    summary = run_study(spec_of(tmp_path, allowed), run_dir)
    (winner,) = summary["students"]
    sizes = {name: (run_dir / path).stat().st_size for name, path in winner["files"].items() if name != "weights"}
    assert set(sizes) == {"torchscript", "torchscript_lite"}
    assert max(sizes.values()) <= allowed
    assert winner["costs"]["size_bytes"] == max(sizes.values()) > 0.8 * allowed  # most of it is used
    listed = read_manifest(run_dir / "students" / winner["id"])["files"]
    assert {name: about["size_bytes"] for name, about in listed.items()} == sizes
    for each in read_outcomes(RunPaths(run_dir)):
        assert 0.9 * allowed < each.costs["size_bytes"] <= allowed


def test_a_limit_below_what_the_narrowest_nets_file_has_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(InfeasibleError, match=r"limits\.size_bytes is 5,000; the smallest lenet5.* has \d\d,\d+;"):
        run_study(spec_of(tmp_path, 5000), tmp_path / "run")
    assert not (tmp_path / "run").exists()
