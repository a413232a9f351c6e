from __future__ import annotations

from kdsearch.report.classes import show_classes
from kdsearch.report.html import render
from kdsearch.report.reading import read_run
from kdsearch.report.table import list_compared


def with_details(summary):
    shares, images = [0.9] * 10, [10] * 10
    shares[3], images[7], shares[7] = 0.2, 0, None
    matrix = [[9 if row == column else 0 for column in range(10)] for row in range(10)]
    matrix[3] = [0, 0, 0, 2, 0, 8, 0, 0, 0, 0]
    winner = next(row for row in summary["students"] if row["role"] == "winner")
    winner["details"] = {"per_class": {"accuracy": shares, "images": images}, "confusion": matrix}
    summary["task"]["notes"] = ["pets: <b> has 9 images"]
    return summary


def test_the_worst_class_comes_first_with_what_it_is_taken_for(summary, outcomes):
    section = show_classes(read_run(with_details(summary), outcomes))
    table, matrix = section.tables
    assert table.rows[0] == ("3", "10", "20.0 %", "5 (8)")
    assert len(table.rows) == 9  # a class without images is left out of the table
    assert len(matrix.rows) == 10
    assert matrix.rows[3] == ("3", "·", "·", "·", "2", "·", "8", "·", "·", "·", "·")
    assert section.paragraphs == ("pets: <b> has 9 images",)


def test_a_run_without_details_has_no_such_section(summary, outcomes):
    assert show_classes(read_run(summary, outcomes)) is None
    assert "Class by class" not in render(summary, outcomes)
    assert "Class by class" in render(with_details(summary), outcomes)


def test_the_nets_that_a_study_started_from_are_the_first_rows(summary, outcomes):
    summary["references"] = [
        {"id": role, "role": role, "name": role, "metrics": {"accuracy": 0.95}, "costs": {"macs": 150_000_000}}
        for role in ("given", "teacher")
    ]
    nets = list_compared(read_run(summary, outcomes))
    assert [net.id for net in nets][:3] == ["given", "teacher", "winner"]
    table = render(summary, outcomes)
    assert table.index("</i>given</th>") < table.index("</i>teacher</th>") < table.index("</i>winner</th>")
