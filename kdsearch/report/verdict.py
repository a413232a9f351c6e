"""The answers that a reader wants first, each with its grounds; no torch here."""

from __future__ import annotations

import statistics
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

from kdsearch.costs import HEADLINE, find_cost
from kdsearch.report.gains import gain_interval, gain_over, gain_over_random, say_interval
from kdsearch.report.run import Judgement, Net, Run
from kdsearch.report.words import name_budget, say_cost, say_percent

Word = Literal["yes", "no", "unclear", "unknown"]

_LIKE = 0.03  # of the same costs is a control that uses at most so much less of a budget than the winner


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, one word, and the sentence that gives the grounds."""

    question: str
    word: Word
    text: str


def answer_all(run: Run) -> list[Answer]:
    """Every answer about a run: of each budget whether the search was worth it and whether the winner fits."""
    answers: list[Answer] = []
    for number in run.budget_numbers:
        named = f"{name_budget(number)}: " if len(run.budget_numbers) > 1 else ""
        answers += [Answer(f"{named}{it.question}", it.word, it.text) for it in judge_budget(run, number)]
    return [*answers, judge_proxy(run)]


def judge_budget(run: Run, budget: int) -> list[Answer]:
    """The answers about one budget; of inherited weights only where a net was trained without them."""
    inherits = any(net.role == "scratch" for net in run.nets)
    judges = (judge_search, judge_start, judge_fit) if inherits else (judge_search, judge_fit)
    return [judge(run, budget) for judge in judges]


def judge_start(run: Run, budget: int) -> Answer:
    """Were the weights that it started from worth it? The winner against its own net from fresh ones, one recipe."""
    question = "Were the inherited weights worth it?"
    winner, scratch = run.find("winner", budget), run.find("scratch", budget)
    if winner is None or scratch is None:
        return Answer(question, "unknown", "The winner and its net from fresh weights have not both been trained yet.")
    word, text = _compare(run, winner, scratch, "the same net from fresh weights")
    return Answer(question, word, f"{text}.")


def judge_fit(run: Run, budget: int) -> Answer:
    """Does the winner fit its budget? Compares every limited cost with its upper end."""
    question = "Does it fit the budget?"
    winner = run.find("winner", budget)
    if winner is None or budget >= len(run.budgets):
        return Answer(question, "unknown", "The run has not got as far as a winner.")
    if not run.budgets[budget]:
        return Answer(question, "yes", "The study sets no limit.")
    parts, fits = [], True
    for cost, (_, high) in run.budgets[budget].items():
        value = winner.cost(cost)
        if value is None:
            return Answer(question, "unknown", f"The winner's {cost} were not measured.")
        fits = fits and value <= high
        share = f" ({say_percent(value / full)} of the full net)" if (full := run.full_costs.get(cost)) else ""
        parts.append(f"{say_cost(cost, value)} {find_cost(cost).noun} of at most {say_cost(cost, high)}{share}")
    return Answer(question, "yes" if fits else "no", "; ".join(parts) + ".")


def judge_search(run: Run, budget: int) -> Answer:
    """Was the search worth it? The winner against the uniform-width net of the same costs and the same recipe."""
    question = "Was the search worth it?"
    winner, uniform = run.find("winner", budget), run.find("uniform", budget)
    if winner is None:
        return Answer(question, "unknown", "No winner has been trained yet.")
    if uniform is None:
        return Answer(
            question, "unknown", "No uniform-width net was trained to compare with (finish.controls.uniform)."
        )
    if winner.widths and (winner.widths, winner.amounts) == (uniform.widths, uniform.amounts):
        same = "what the search started from" if winner.amounts else "the uniform-width net itself"
        return Answer(question, "no", f"The best candidate found is {same}.")
    word, text = _compare(run, winner, uniform, _opponent(winner, uniform))
    costs, behind = _compare_costs(run, winner, uniform, budget)
    if word == "yes" and behind > _LIKE:
        word = "unclear"
        costs += ", so that the gain may be that of its costs"
    return Answer(question, word, f"{text}.{costs}.{_against_random(run, winner, budget)}".replace("..", "."))


def _opponent(winner: Net, uniform: Net) -> str:
    if not winner.amounts:
        return uniform.origin or "uniform widths"
    said, start = (", ".join(f"{name} {value:.3g}" for name, value in net.amounts.items()) for net in (winner, uniform))
    return f"where the search started ({said} against {start})"


def judge_proxy(run: Run) -> Answer:
    """Can the score that steered the search be believed? What the run found out about it."""
    question = "Can the score be believed?"
    judged = run.judgement
    advice = " ".join(f"{line.rstrip('.')}." for line in judged.advice)
    if judged.verdict not in ("trusted", "weak"):
        why = _start(advice) or "The run did not check the score that steers the search."
        return Answer(question, "unknown", f"It could not be judged: {why[:1].lower()}{why[1:]}")
    text = _start("; ".join(_list_grounds(run)) or "by the run's own check") + "."
    word, order = _judge_order(judged)
    if judged.verdict == "trusted":
        return Answer(question, word, f"{text} {order} {_start(advice)}".strip())
    return Answer(question, "no", f"The search is weak: {advice or text} {order}")


def _list_grounds(run: Run) -> list[str]:
    judged, parts = run.judgement, list(run.judgement.grounds)
    if judged.ratio is not None:
        parts.append(f"the uniform net scores {say_percent(judged.ratio, 0)} of what it reaches after its own training")
    if judged.spread is not None and judged.stderr is not None:
        said, error = (run.ranking.say(each, 1) for each in (judged.spread, judged.stderr))
        parts.append(f"scores of random candidates spread by {said}, with a standard error of {error}")
    return parts


def _judge_order(judged: Judgement) -> tuple[Word, str]:
    """Whether the order by score was the order after training, and the sentence that says so, or why none can."""
    rank = judged.rank
    if rank is None:
        why = judged.rank_unknown or "too few candidates had a training of their own (finish.finalists)"
        return "unclear", f"Whether it ranks could not be judged: {why}."
    said = f"tau {rank.tau:.2f} (95% interval {rank.low:.2f} to {rank.high:.2f}) over {rank.count} nets"
    found = said.replace("-", "−")
    if rank.low > 0:
        return "yes", f"Trained, the finalists came in the order of their scores: {found}."
    if rank.high < 0:
        return "no", f"Trained, the finalists came in the opposite order: {found}."
    return "unclear", f"Whether it ranks the finalists cannot be told: {found}."


def _compare(run: Run, winner: Net, control: Net, opponent: str) -> tuple[Word, str]:
    """Whether the 95% interval of the difference leaves zero out, and the sentence that says so."""
    metric, found = run.metric, gain_interval(run, winner, control)
    gain = metric.say_difference(gain_over(run, winner, control))
    points = f" {metric.points}" if metric.points else ""
    if found is None:
        once = "one training each gives no interval, so it may be chance: give finish.seeds: 3"
        return "unclear", f"{gain}{points} over {opponent}; {once}"
    interval = f"{say_interval(metric, found)}, {min(winner.seeds, control.seeds)} seeds each"
    if found.low > 0:
        return "yes", f"{gain}{points} over {opponent} ({interval})"
    if found.high < 0:
        return "no", f"{gain}{points}, behind {opponent} ({interval})"
    return "unclear", f"Cannot be told from {opponent}: {gain}{points} ({interval})"


def _compare_costs(run: Run, winner: Net, uniform: Net, budget: int) -> tuple[str, float]:
    """What either net uses of each limit, and by which share of a limit the control stays behind at most."""
    limits = run.budgets[budget] if budget < len(run.budgets) else {}
    said, behind = [], 0.0
    for cost, (_, high) in limits.items():
        used = [net.cost(cost) for net in (winner, uniform)]
        if None in used or not high:
            continue
        own, other = (float(value or 0) / high for value in used)
        behind = max(behind, own - other)
        said.append(f"{say_percent(own, 0)} and {say_percent(other, 0)} of the {find_cost(cost).label}")
    if not said:
        return "", 0.0
    gap = f"; the control uses {say_percent(behind, 0)} of a budget less" if behind > _LIKE else ""
    gap += _beside(limits, winner, uniform)
    return f" Of what is allowed, winner and control use {', '.join(said)}{gap}", behind


def _beside(limits: Container[str], winner: Net, control: Net) -> str:
    """How far apart they are in the headline cost where no limit holds it: a gain may be bought by it."""
    own, other = winner.cost(HEADLINE), control.cost(HEADLINE)
    if HEADLINE in limits or not own or not other or abs(own / other - 1) <= _LIKE:
        return ""
    noun = find_cost(HEADLINE).noun
    return (
        f"; {noun} are not limited: the winner has {say_cost(HEADLINE, own)}, the control {say_cost(HEADLINE, other)}"
    )


def _against_random(run: Run, winner: Net, budget: int) -> str:
    drawn = run.find_all("random", budget)
    if not drawn:
        return ""
    metric, found = run.metric, gain_over_random(run, winner, drawn)
    sure = say_interval(metric, found) if found else "too few trainings for an interval"
    gain = metric.say_difference(statistics.fmean(gain_over(run, winner, net) for net in drawn))
    against = f"the mean of {len(drawn)} random nets" if len(drawn) > 1 else "one random net"
    return f" {gain} against {against} of the same budget ({sure})."


def _start(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
