"""The note on the dashboard's page of a run."""

from __future__ import annotations

from kdsearch.report.note import to_markdown
from tests.report.conftest import blank


def test_the_note_has_every_net_and_answer(summary):
    lines = to_markdown(summary).splitlines()
    assert lines[0] == "# vgg11-cifar10: done"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(summary["students"])
    assert {line.count("|") for line in table} == {10}
    assert table[2].startswith("| winner | 91.3 ± 0.4 % | +1.5 | 74.6 M |")
    assert any(line.startswith("* Was the search worth it? **yes** +1.5 points") for line in lines)
    assert lines[-1] == "Charts and lineage: runs/vgg11-cifar10/report.html"


def test_a_bar_in_a_name_ends_no_cell(summary):
    summary["students"][0]["id"] = "a|b"
    assert "| a\\|b | 91.3" in to_markdown(summary)


def test_names_are_text_and_no_markdown(summary):
    summary["name"] = "<b>*a*</b> [x](y) `z`"
    first = to_markdown(summary).splitlines()[0]
    assert first == r"# \<b\>\*a\*\</b\> \[x\](y) \`z\`: done"


def test_a_run_without_students_says_so():
    said = to_markdown(blank(state="stopped", run_dir="runs/x"))
    assert "No student has been trained yet." in said.splitlines()
