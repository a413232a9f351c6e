from __future__ import annotations

from kdsearch.progress import Progress
from kdsearch.report.board import Board, draw_sparkline, flatten


def search(step: int, accuracy: float, total: int = 100) -> Progress:
    return Progress("search", step, total, "random", {"accuracy": accuracy})


def test_time_left_follows_the_pace_since_the_first_message():
    board = Board()
    board.post(search(60, 0.5), 100.0)  # a resumed search: 60 trials were done before
    assert board.left_s(100.0) is None
    board.post(search(70, 0.5), 120.0)
    assert board.left_s(120.0) == 60.0  # 10 trials in 20 s, 30 to go


def test_another_piece_of_work_in_a_phase_has_its_own_pace():
    board = Board()
    board.post(Progress("prepare", 1, 100, "PruningNet"), 0.0)
    board.post(Progress("prepare", 100, 100, "PruningNet"), 500.0)
    board.post(Progress("prepare", 1, 16, "spread of scores"), 501.0)
    assert board.left_s(501.0) is None
    board.post(Progress("prepare", 2, 16, "spread of scores"), 502.0)
    assert board.left_s(502.0) == 14.0


def test_the_best_only_rises_and_starts_anew_with_each_phase():
    board = Board()
    assert board.post(search(1, 0.5), 0) == (True, True)
    assert board.post(search(2, 0.4), 1) == (False, False)
    assert board.post(search(3, 0.6), 2) == (False, True)
    assert board.best == 0.6
    board.post(Progress("finish", 0, 10), 5)
    assert board.best is None
    assert board.finished == [("search", 5)]


def test_the_best_is_the_one_that_ranks_first_where_that_is_said():
    board = Board()
    values = ({"accuracy": 0.5, "best": 0.5}, {"accuracy": 0.6, "best": 0.5}, {"accuracy": 0.4, "best": 0.4})
    news = [board.post(Progress("search", step, 9, values=each), step)[1] for step, each in enumerate(values)]
    assert (board.climb, news) == ([0.5, 0.5, 0.4], [True, False, True])


def test_a_line_says_phase_place_note_figures_and_time_left():
    board = Board()
    board.post(search(1, 0.5), 0)
    board.post(search(2, 0.512), 2)
    assert board.say(2) == "search  2/100  random  accuracy 51.2 %  3 min 16 s left"


def test_a_sparkline_rises_from_the_lowest_block_to_the_highest():
    assert draw_sparkline([1, 2, 3]) == "▁▅█"
    assert len(draw_sparkline(list(range(1000)), width=24)) == 24
    assert draw_sparkline([]) == ""
    assert draw_sparkline([2, 2]) == "▁▁"


def test_nested_facts_get_dotted_names():
    assert flatten({"a": {"b": 1, "c": {"d": 2}}, "e": {}}) == [("a.b", 1), ("a.c.d", 2), ("e", {})]
