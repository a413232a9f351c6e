"""A run as a notebook has it: a real notebook, in a real kernel, with a toy net."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.cards import write_images

pytestmark = [pytest.mark.medium, pytest.mark.timeout(180)]

LAUNCH = """
import kdsearch
from tests.toys import make_toy
sets = ("name=noted", "student={{net: given, divisor: 1}}", "search={{name: random}}", "export=[]",
        "task={{npz: {data}, validation_share: 0.2, test_share: 0.2}}", "limits={{macs: 60%, window: null}}",
        "strategy={{name: scratch, epochs: 1, batch_size: 30}}", "budget={{trials: 12}}",
        "finish={{name: scratch, epochs: 2, batch_size: 30}}")
spec = kdsearch.load_spec("quickstart", sets)
result = kdsearch.launch(spec, run_dir={run!r}, net=make_toy())
"""
LOAD = "type(result.load_student(net=make_toy()))"
OPEN = "kdsearch.open_result({run!r})"
RESUME = "repr(kdsearch.resume({run!r}, net=make_toy())) == repr(result)"
CELLS = (LAUNCH, "spec", "result", "result.plot()", OPEN, LOAD, RESUME)


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> list:
    """The outputs of each cell of a notebook that was run from its first to its last."""
    folder = tmp_path_factory.mktemp("notebook")
    data, run = write_images(folder / "bars.npz"), str(folder / "run")
    made = nbformat.v4.new_notebook()
    made.cells = [nbformat.v4.new_code_cell(cell.format(data=data, run=run)) for cell in CELLS]
    root = str(Path(__file__).parent.parent.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([root, *sys.path]))
        nbclient.NotebookClient(made, timeout=150, kernel_name="python3").execute(cwd=str(folder))
    return [cell.outputs for cell in made.cells]


def test_progress_is_one_output_that_was_written_over(cells):
    launched = cells[0]
    assert [output.output_type for output in launched] == ["display_data"]
    (shown,) = launched
    assert re.fullmatch(r"done: plan .*, search .*, export .*", shown.data["text/plain"])


def test_a_study_and_a_result_are_a_line_and_a_result_a_table(cells):
    (spec,), (result,), _, (opened,), *_ = cells[1:]
    assert spec.data["text/plain"] == "study noted: given by scratch, finish scratch"
    assert result.data["text/plain"].startswith("noted: done; winner ")
    assert len(result.data["text/plain"]) < 300
    assert "<table>" in result.data["text/html"]
    assert "Was the search worth it?" in result.data["text/html"]
    assert opened.data == result.data


def test_charts_are_shown(cells):
    (charts,) = cells[3]
    assert charts.data["text/html"].count("&lt;svg ") >= 4
    assert "charts: Trained nets" in charts.data["text/plain"]


def test_a_run_that_has_ended_is_resumed_to_the_same_result(cells):
    assert cells[6][-1].data["text/plain"] == "True"


def test_a_student_comes_back_as_a_module(cells):
    assert cells[5][0].data["text/plain"] == "tests.toys.Toy"
