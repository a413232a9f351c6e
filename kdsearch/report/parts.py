"""The sections of the report's page as HTML text; whatever a user named is escaped; no torch here."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from kdsearch.costs import COSTS, FILE_SIZE, HEADLINE
from kdsearch.report.figures import Figure
from kdsearch.report.gains import DOUBT_MEANS, say_gain
from kdsearch.report.lineage import say_ranking, say_teacher, trace_origin
from kdsearch.report.markup import write_html_table, write_section, write_text_table
from kdsearch.report.reading import Net, Run
from kdsearch.report.verdict import Answer, judge_fit, judge_proxy, judge_search
from kdsearch.report.words import (
    name_budget,
    say_cost,
    say_duration,
    say_percent,
    say_score,
)

_STATES = {
    "done": "finished",
    "running": "still running, or killed: figures are those of the last save",
    "stopped": "ended before its search was through",
    "failed": "failed; what was finished is shown",
}
_ENDS = ("stopped", "exhausted")
_BESIDE = {HEADLINE: ("of full",), "latency_ms": ("speed-up",)}
_SIGNS = {"yes": "✓", "no": "✗", "unclear": "≈", "unknown": "–"}


def list_heads(run: Run) -> tuple[str, ...]:
    """What ``list_cells`` gives, where there is little room."""
    costs = (head for row in COSTS for head in (row.label, *_BESIDE.get(row.name, ())))
    return ("net", f"test {run.metric.words}", "vs uniform", *costs)


def write_head(run: Run) -> str:
    """Name, net, data and state of the run."""
    seconds = sum(float(value) for value in run.section("seconds").values())
    facts = [
        str(run.summary.get("net", "")),
        str(run.section("task").get("data", "")),
        f"taught by {teacher}" if (teacher := run.section("teacher").get("name")) else "",
        f"seed {run.summary['seed']}" if "seed" in run.summary else "",
        f"{_count_trials(run)} trials",
        say_duration(seconds) if seconds else "",
    ]
    listed = " · ".join(escape(fact) for fact in facts if fact)
    state = ": ".join(
        part
        for part in (_STATES.get(run.state, run.state), *(str(run.summary.get(key) or "") for key in _ENDS))
        if part
    )
    return (
        f'<header><p class="kind">kdsearch report</p><h1>{escape(run.name)}</h1><p class="facts">{listed}</p>'
        f'<p class="state {escape(run.state)}">{escape(state)}</p></header>'
    )


def write_answers(run: Run) -> str:
    """The first screen: for each budget what came out, whether it fits and whether the search was worth it."""
    numbers = run.budget_numbers
    if len(numbers) > 1:
        cards = "".join(_write_budget(run, budget, f"<h2>{name_budget(budget)}</h2>") for budget in numbers)
        believed = f'<div class="card wide">{_write_answer(judge_proxy(run))}</div>'
        return f'<section class="answers">{cards}{believed}</section>'
    only = _write_budget(run, numbers[0] if numbers else 0, "", judge_proxy(run))
    return f'<section class="answers">{only}</section>'


def _write_budget(run: Run, budget: int, title: str, *more: Answer) -> str:
    winner = run.find("winner", budget)
    if winner is None or winner.figure is None:
        reached = "the search has scored some candidates" if run.done else "no candidate has been scored"
        body = f'<p class="headline">No student has been trained yet: {reached}.</p>'
    else:
        figures = f'<dl class="figures">{_write_figures(run, winner)}</dl>'
        body = f'<p class="headline">{_say_headline(run, winner)}</p>{figures}'
    answers = "".join(_write_answer(answer) for answer in (judge_search(run, budget), judge_fit(run, budget), *more))
    return f'<div class="card{"" if title else " wide"}">{title}{body}<div class="verdicts">{answers}</div></div>'


def _say_headline(run: Run, winner: Net) -> str:
    """The result in one sentence."""
    said = f"A student with <b>{run.metric.say(winner.figure or 0)}</b> test {escape(run.metric.words)}"
    macs, full_macs = winner.cost(HEADLINE), run.full_costs.get(HEADLINE)
    if macs and full_macs:
        said += f" at <b>{say_percent(macs / full_macs, 0)}</b> of the full net's multiply-adds"
    full = run.full
    if full is not None and full.figure is not None:
        said += f"; the full net reaches {run.metric.say(full.figure)}"
    return said + "."


def _write_figures(run: Run, winner: Net) -> str:
    figures = [(f"test {run.metric.words}", _say_figure(run, winner), _say_seeds(winner))]
    for row in COSTS:
        value, full = winner.cost(row.name), run.full_costs.get(row.name)
        if value is not None:
            more = [f"full net {say_cost(row.name, full)}"] if full else []
            if row.name in winner.delivered and row.name != FILE_SIZE:  # which is the file's already
                more.append(f"{say_cost(row.name, winner.delivered[row.name])} as exported, fused")
            figures.append((row.label, say_cost(row.name, value), "; ".join(more)))
    return "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd><dd class='small'>{escape(more)}</dd></div>"
        for label, value, more in figures
    )


def _say_figure(run: Run, net: Net) -> str:
    if net.figure is None:
        return "–"
    seeded = net.spread is not None and net.seeds > 1
    return run.metric.say_spread(net.figure, net.spread or 0.0) if seeded else run.metric.say(net.figure)


def _say_seeds(net: Net) -> str:
    return f"mean of {net.seeds} seeds" if net.seeds > 1 else "one training"


def _write_answer(answer: Answer) -> str:
    return (
        f'<div class="answer {answer.word}"><span class="sign" aria-hidden="true">{_SIGNS[answer.word]}</span>'
        f"<p><b>{escape(answer.question)}</b> <em>{answer.word}</em><br>{_keep_units(answer.text)}</p></div>"
    )


def _keep_units(sentence: str) -> str:
    """The sentence with every % on the line of its number."""
    return escape(sentence).replace(" %", "&nbsp;%")


def write_table(run: Run) -> str:
    """All trained nets side by side."""
    if not run.nets:
        return write_section("Nets compared", "<p>No net has been trained to the end yet.</p>")
    control = "start" if any(net.amounts for net in run.nets) else "uniform"
    heads = (*list_heads(run)[:2], f"against {control}", *list_heads(run)[3:])
    compared = compared_nets(run)
    rows = [list_cells(run, net) for net in compared]
    judged = escape(run.metric.words.capitalize())
    note = (
        f"<p class='small'>{judged}: mean ± standard deviation over seeds, on test images "
        "that the search never saw. "
        "MACs: multiply-adds of convolutions and linear layers, one image. Latency: frozen TorchScript, batch 1, one "
        "thread; speed-up: against the full net. All nets were trained with one recipe, but for "
        f"given (the student as it came) and teacher, which are as they are. {DOUBT_MEANS}</p>"
    )
    return write_section("Nets compared", write_text_table(heads, rows, [net.role for net in compared]) + note)


def write_amounts(run: Run) -> str:
    """What each net was trained with of all that was searched beside widths; nothing where that is nothing."""
    nets = [net for net in order_nets(run.nets) if net.amounts]
    if not nets:
        return ""
    names = sorted({name for net in nets for name in net.amounts})
    rows = [[name, *(f"{net.amounts[name]:.3g}" if name in net.amounts else "–" for net in nets)] for name in names]
    return write_section("What was searched", write_text_table(("amount", *(say_net(net) for net in nets)), rows))


def say_net(net: Net) -> str:
    """The net's name; the control of a search of amounts is where that started."""
    return net.id.replace("uniform", "start") if net.amounts else net.id


def compared_nets(run: Run) -> list[Net]:
    """Every net of the final table: first those that the study started from."""
    return [*run.references, *order_nets(run.nets)]


def order_nets(nets: Iterable[Net]) -> list[Net]:
    """Nets of one budget together, winner first; the full net last."""
    return sorted(nets, key=_order)


def _order(net: Net) -> tuple[int, int, str]:
    place = {"winner": 0, "uniform": 1, "random": 2}.get(net.role, 3)
    return (net.budget if net.budget is not None else 10**6, place, net.id)


def list_cells(run: Run, net: Net) -> list[str]:
    """A net's row of the table: name, figure, gain over uniform, MACs, share, parameters, size, latency, speed-up."""
    uniform = run.find("uniform", net.budget)
    gain = say_gain(run, net, uniform) if net.role != "uniform" and uniform else "–"
    costs = (cell for row in COSTS for cell in _list_cost(run, net, row.name))
    return [say_net(net), _say_figure(run, net), gain, *costs]


def _list_cost(run: Run, net: Net, cost: str) -> list[str]:
    """A cost's cell, and what ``_BESIDE`` puts beside it: the share of the full net, or how many times as fast."""
    value = net.cost(cost)
    cells = ["–" if value is None else say_cost(cost, value)]
    if cost == HEADLINE:
        full = run.full_costs.get(cost)
        cells.append(say_percent(value / full) if value and full else "–")
    elif cost in _BESIDE:
        slowest = run.full.cost(cost) if run.full else None
        cells.append(f"{slowest / value:.2f} ×" if value and slowest else "–")
    return cells


def write_figures(figures: Iterable[Figure]) -> str:
    """The charts as a grid of cards."""
    return f'<section class="grid">{"".join(_write_figure(figure) for figure in figures)}</section>'


def _write_figure(figure: Figure) -> str:
    keys = "".join(f'<span><i class="{kind}"></i>{escape(name)}</span>' for kind, name in figure.legend)
    body = figure.svg or f'<p class="missing">{escape(figure.note)}</p>'
    return f'<figure><figcaption>{escape(figure.title)}</figcaption>{body}<p class="legend">{keys}</p></figure>'


def write_widths(run: Run) -> str:
    """The widths as numbers, one table a budget, folded away."""
    parts = []
    for budget in run.budget_numbers:
        winner, uniform = run.find("winner", budget), run.find("uniform", budget)
        if winner is None or not winner.layers:
            continue
        others = {layer.name: layer.kept for layer in uniform.layers} if uniform else {}
        rows = [
            [layer.name, str(layer.full), str(layer.kept), str(others.get(layer.name, "–"))] for layer in winner.layers
        ]
        title = "Channels of each layer" + (f", budget {budget + 1}" if len(run.budget_numbers) > 1 else "")
        table = write_text_table(("layer", "full", "winner", "uniform"), rows)
        parts.append(f"<details><summary>{title}</summary>{table}</details>")
    return "".join(parts)


def write_origin(run: Run) -> str:
    """Lineage: how each winner was bred, from which data, teacher, seed and versions."""
    parts = [_write_chain(run, budget) for budget in run.budget_numbers]
    task = run.section("task")
    facts = [
        ("net", str(run.summary.get("net", "–"))),
        ("teacher", say_teacher(run)),
        ("data", str(task.get("data", "–"))),
        ("data hash", str(task.get("digest", "–"))),
        ("seed", str(run.summary.get("seed", "–"))),
        ("versions", ", ".join(f"{name} {version}" for name, version in run.section("versions").items()) or "–"),
        ("time", ", ".join(f"{key} {say_duration(value)}" for key, value in run.section("seconds").items()) or "–"),
        ("trials", f"{_count_trials(run)} ({run.section('trials').get('failed', 0)} failed)"),
        ("ranked by", say_ranking(run)),
    ]
    rows = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts)
    return write_section("Lineage", "".join(parts) + f'<dl class="facts">{rows}</dl>')


def _write_chain(run: Run, budget: int) -> str:
    winner = run.find("winner", budget)
    if winner is None:
        return ""
    chain = trace_origin(run, winner.candidate)
    if not chain:
        return f"<p>{escape(winner.id)}: {escape(winner.origin or 'its trial is not in the ledger')}.</p>"
    steps = "".join(f"<li>trial {step.number}: {escape(step.origin)}, {say_score(step.outcome)}</li>" for step in chain)
    return f"<p>{escape(winner.id)}, from the winner back to its first ancestor:</p><ol>{steps}</ol>"


def write_files(run: Run) -> str:
    """The exported files, with their largest difference from the eager net."""
    rows = [
        [net.id, name, f'<a href="{escape(path, quote=True)}">{escape(path)}</a>', _say_parity(net.parity.get(name))]
        for net in order_nets(run.nets)
        for name, path in net.files.items()
    ]
    if not rows:
        return write_section("Files", "<p>Nothing has been exported yet.</p>")
    escaped = [[escape(row[0]), escape(row[1]), row[2], row[3]] for row in rows]
    heads = ("net", "format", "file", "largest difference from the eager net")
    return write_section("Files", write_html_table(heads, escaped, ()))


def _say_parity(gap: float | None) -> str:
    return "–" if gap is None else f"{gap:.1e}"


def write_commands(run: Run) -> str:
    """What to type to go on or to reproduce the run."""
    commands = run.section("commands")
    if not commands:
        return ""
    lines = "".join(
        f"<dt>{escape(str(key))}</dt><dd><code>{escape(str(line))}</code></dd>" for key, line in commands.items()
    )
    return write_section("Commands", f'<dl class="commands">{lines}</dl>')


def _count_trials(run: Run) -> str:
    counts = run.section("trials")
    return f"{int(counts['done']) + int(counts.get('failed', 0)):,}" if "done" in counts else f"{len(run.outcomes):,}"
