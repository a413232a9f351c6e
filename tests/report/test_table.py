from __future__ import annotations

import pytest

from kdsearch.report.console import print_summary
from kdsearch.report.note import to_markdown
from kdsearch.report.reading import read_run
from kdsearch.report.table import list_cells, list_compared, list_heads, show_nets
from tests.report.conftest import run_of

GIVEN = {"id": "given", "role": "given", "name": "own", "metrics": {"accuracy": 0.95}}
COSTS = {"macs": 150_000_000, "parameters": 9_200_000, "size_bytes": 36_900_000}


def test_a_row_has_a_cell_for_each_head(summary):
    run = read_run(summary, ())
    for net in list_compared(run):
        assert len(list_cells(run, net)) == len(list_heads(run))
    assert list_cells(run, run.find("winner", 0)) == [
        *("winner", "91.3 ± 0.4 %", "+1.5", "74.6 M", "49.7 %", "4.58 M", "18.4 MB", "2.44 ms"),
        f"{4.5 / (0.4 + 4.1 * 74.6 / 150):.2f} ×",
    ]


def test_the_nets_that_a_study_started_from_carry_latency_and_costs_as_students_do(summary):
    summary["references"] = [GIVEN | {"costs": COSTS | {"latency_ms": 9.0}}]
    run = read_run(summary, ())
    assert list_cells(run, list_compared(run)[0]) == [
        *("given", "95.0 %", "–", "150 M", "100.0 %", "9.20 M", "36.9 MB", "9 ms", "0.50 ×"),
    ]
    assert "Not measured" not in show_nets(run).note


def test_what_was_not_measured_is_said_wherever_the_table_stands(summary, capsys):
    summary["references"] = [GIVEN | {"costs": COSTS, "unmeasured": {"latency_ms": "it cannot be traced: no"}}]
    said = "Not measured: latency of given (it cannot be traced: no)."
    assert said in show_nets(read_run(summary, ())).note
    print_summary(summary)
    assert said in capsys.readouterr().out
    assert said in to_markdown(summary).replace("\\", "")


def test_nets_of_a_budget_stand_together_winner_first_and_the_full_net_last(summary):
    again = [row | {"id": f"{row['id']}-1", "budget": 1} for row in summary["students"] if row["role"] != "full"]
    summary["students"] = [*reversed(again), *summary["students"]]
    names = [net.id for net in list_compared(read_run(summary, ()))]
    assert names[:2] == ["winner", "uniform"]
    assert names[5:7] == ["winner-1", "uniform-1"]
    assert names[-1] == "full"


@pytest.mark.parametrize("state", ["running", "failed"])
def test_without_nets_there_is_a_sentence(state):
    assert show_nets(run_of(state=state)).paragraphs == ("No net has been trained to the end yet.",)
