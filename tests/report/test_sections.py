from __future__ import annotations

from kdsearch.report.page import Link
from kdsearch.report.reading import read_run
from kdsearch.report.sections import show_files, show_origin
from tests.report.conftest import run_of


def test_files_are_links_beside_their_parity(summary):
    (table,) = show_files(read_run(summary, ())).tables
    assert table.rows[0] == ("winner", "torchscript", Link("students/winner/model.pt"), "1.9e-06")
    assert table.rows[2][3] == "–"  # weights were not exported
    assert show_files(run_of()).paragraphs == ("Nothing has been exported yet.",)


def test_a_winner_that_the_ledger_knows_has_its_chain_and_another_its_origin(summary, outcomes):
    (chain,) = show_origin(read_run(summary, outcomes)).chains
    assert chain.said == "winner, from the winner back to its first ancestor:"
    assert chain.steps[0] == "trial 115: crossover of 80 and 7, 68.50 %"
    (chain,) = show_origin(read_run(summary, ())).chains
    assert (chain.said, chain.steps) == ("winner: crossover of 80 and 7.", ())


def test_facts_that_are_missing_are_a_dash():
    facts = dict(show_origin(run_of()).facts)
    assert (facts["versions"], facts["time"], facts["teacher"], facts["trials"]) == ("–", "–", "none", "0 (0 failed)")
