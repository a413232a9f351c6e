"""Does the PruningNet rank? Its scores of nets of equal MACs against the accuracies of those nets trained alone.

S: seeds, N: nets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kdsearch.bench.base_agreement import (
    Numbers,
    bootstrap_interval,
    chance_of_tau,
    kendall_tau,
    seed_deviation,
    tau_against_rest,
    tau_between_seeds,
)
from kdsearch.bench.base_ground_truth import Setup, World, make_world, train_all
from kdsearch.bench.base_proxies import Effort, Proxy, ProxyTrial
from kdsearch.cost.threads import torch_threads
from kdsearch.spec.sections import StudentOptions
from kdsearch.strategies.metapruning import MetaPruning

GENERATORS = ("slim", "condnorm", "condscale", "lowrank", "paper")
_DEFAULT = MetaPruning.Options()
_TARGET = 0.6
_SHARE = 0.8  # the least tau of a proxy that ranks, as a share of the ceiling
_CHANCE = 0.025  # how often at most a proxy that knows nothing may reach this tau


def proxies() -> tuple[Proxy, ...]:
    """Every generator as the strategy trains it, and the default one with each other choice of the strategy."""
    every = [Proxy(name) for name in GENERATORS]
    default = _DEFAULT.generator
    others = [Proxy(default, init="scratch"), Proxy(default, sampling="sandwich"), Proxy("slim", trained=False)]
    return (*every, *others)


def run(
    *,
    processes: int = 2,
    quick: bool = False,
    chosen: Sequence[Proxy] | None = None,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """``proxies``: Kendall's tau of each against the seeds' mean, its 95% bootstrap interval over genes, and its cost.

    ``ceiling`` is what tau one training of every net reaches against the others', ``macs_tau`` what MACs alone reach;
    ``regret`` is by how much the net with the best score falls short of the best (its gain over the mean net, and
    the 95% bootstrap interval of that over genes, beside it). Times are processor seconds of one thread; only the
    ground truth is trained by several ``processes``. ``quick`` is a rehearsal that says nothing about proxies.
    """
    setup, effort = (_QUICK, Effort(1, 1)) if quick else (Setup(), Effort())

    def tell(row: dict[str, Any]) -> None:
        if on_row is not None:
            on_row(row)

    with torch_threads(1):
        truth_SN, seconds = train_all(setup, processes=processes, told=lambda at, of: tell({"trained": at, "of": of}))
        world = make_world(setup)
        found = describe_truth(world, truth_SN) | {"truth_seconds": round(seconds, 1)}
        tell(found["truth"] | found["ceiling"])
        rows = []
        trial = ProxyTrial(world, effort)
        for proxy in proxies() if chosen is None else chosen:
            rows.append(trial.row(proxy, truth_SN.mean(axis=0)))
            tell({key: value for key, value in rows[-1].items() if key != "scores"})
    return {"suite": "ranking", "threads": 1, **found, "target": _TARGET, "proxies": rows, **_verdict(rows, found)}


_QUICK = Setup(
    student=StudentOptions(net="lenet5", divisor=1),
    train_images=128,
    validation_share=0.1,
    share=0.3,
    genes=4,
    seeds=2,
    recipe=Setup().recipe.model_copy(update={"epochs": 1}),
)


def describe_truth(world: World, truth_SN: Numbers) -> dict[str, Any]:
    """What the trainings alone say: the spread over nets, the noise of seeds, the ceiling, and what MACs predict."""
    truth_N = truth_SN.mean(axis=0)
    macs_N = np.array([world.widths.costs(gene)["macs"] for gene in world.genes], dtype=np.float64)
    low, high = bootstrap_interval(lambda at: tau_against_rest(truth_SN[:, at]), truth_N.size)
    return {
        "net": world.setup.student.label,
        "genes": truth_N.size,
        "seeds": len(truth_SN),
        "truth": {
            "lowest": round(float(truth_N.min()), 4),
            "mean": round(float(truth_N.mean()), 4),
            "highest": round(float(truth_N.max()), 4),
            "gene_sd": round(float(truth_N.std(ddof=1)), 4),
            "seed_sd": round(seed_deviation(truth_SN), 4),
        },
        "ceiling": {
            "between_seeds": round(tau_between_seeds(truth_SN), 3),
            "one_against_rest": round(tau_against_rest(truth_SN), 3),
            "interval": [round(low, 3), round(high, 3)],
        },
        "macs_tau": round(kendall_tau(macs_N, truth_N), 3),
        "accuracies": np.round(truth_SN, 4).tolist(),
    }


def judge_tau(tau: float, interval: Sequence[float], ceiling: float, nets: int) -> dict[str, Any]:
    """``reached``: whether a proxy ranks, which noise of the truth never makes easier to pass.

    Both must hold: the tau leaves chance and its own interval's zero behind, and it is 0.8 of what one training of
    every net reaches against the others (at most the target). ``chance``: how often an order that knows nothing has
    such a tau or a higher one; the noisier the truth the nearer to zero any tau is, so that half alone stops a proxy.
    """
    chance = chance_of_tau(tau, nets)
    proved = interval[0] > 0 and chance <= _CHANCE
    return {"chance": round(chance, 4), "reached": proved and tau >= _SHARE * min(_TARGET, ceiling)}


def _verdict(rows: Sequence[dict[str, Any]], found: dict[str, Any]) -> dict[str, Any]:
    """The default proxy's tau, and whether it ranks."""
    usual = Proxy(_DEFAULT.generator, _DEFAULT.init, _DEFAULT.sampling).label
    chosen = next((row for row in rows if row["proxy"] == usual), None)
    if chosen is None:
        return {}
    judged = judge_tau(chosen["tau"], chosen["interval"], found["ceiling"]["one_against_rest"], found["genes"])
    return {"default": usual, "tau": chosen["tau"], **judged}
