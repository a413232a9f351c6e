"""Whether the scores of genes under generated weights can be believed; no torch here."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from kdsearch.spec.metric import ACCURACY, Metric

_BELIEVABLE = 0.7
_TOO_SHORT = (
    "the uniform net does better under generated weights than after its own training, which was too short to say "
    "anything: raise finish.epochs"
)
_PLAUSIBLE = 1.1  # a ratio above it says that the net was hardly trained


def judge_proxy(
    check: Mapping[str, Any] | None, trained: Sequence[float | None], metric: Metric = ACCURACY
) -> dict[str, Any]:
    """Whether scores under generated weights can be believed, and what to raise if not.

    ``check``: what the PruningNet's preparation measured at each budget; ``trained``: what each budget's uniform net
    reached on the validation images after its own training, None where it was not trained.

    ``ratio``: the uniform gene's headline figure under generated weights over that of the same net after its own
    training at the end; where that goes on from the generated weights it ends higher, so the ratio is on the low side.
    ``spread``: standard deviation of the scores of random genes at the budget (null of fewer than two); ``stderr``: of
    one score; both of what candidates are ``ranked_by``: the headline figure, or likelihood (nats an image).

    Weak below a ratio of 0.7, or with a spread inside the error; else trusted where both were measured, unless the
    ratio is above 1.1: then it is the training at the end that cannot be believed.
    """
    if not check or not check["budgets"]:
        return _unknown("this strategy trains every candidate, so there is no proxy to judge")
    rows = [_judge_budget(row, reached, metric) for row, reached in zip(check["budgets"], trained, strict=True)]
    weak = any(row["advice"] for row in rows)
    if any(row["ratio"] is not None and row["ratio"] > _PLAUSIBLE for row in rows):
        return {**_unknown(_TOO_SHORT), "budgets": rows}
    if not weak and any(row["ratio"] is None or row["spread"] is None for row in rows):
        return _unknown("not everything was measured: set strategy.check_genes (2 or more), finish.controls.uniform")
    advice = sorted({line for row in rows for line in row["advice"]})
    worst = min(rows, key=lambda row: row["ratio"] if row["ratio"] is not None else 1.0)
    return {
        "verdict": "weak" if weak else "trusted",
        "ratio": worst["ratio"],
        "spread": min((row["spread"] for row in rows if row["spread"] is not None), default=None),
        "stderr": max(row["stderr"] for row in rows),
        "ranked_by": check["budgets"][0].get("ranked_by", "metric"),
        "advice": advice,
        "budgets": rows,
    }


def _unknown(why: str) -> dict[str, Any]:
    return {"verdict": "unknown", "advice": [why]}


def _judge_budget(row: Mapping[str, Any], trained: float | None, metric: Metric) -> dict[str, Any]:
    scores = row["random_scores"]
    spread = statistics.stdev(scores) if len(scores) > 1 else None
    generated = row.get(f"uniform_{metric.name}", row["uniform_score"])
    parts = (generated, trained) if metric.better == "higher" else (trained, generated)
    ratio = parts[0] / parts[1] if parts[0] is not None and parts[1] else None
    more = "task.validation_share" if metric.validated_on == ACCURACY.validated_on else "task.synthesis.probe"
    advice = []
    if ratio is not None and ratio < _BELIEVABLE:
        advice.append(
            f"generated weights reach {ratio:.2f} of the {metric.words} that the net reaches after its own training "
            "(0.70 is asked for): raise strategy.epochs, or start from a trained net (strategy.init: pretrained)"
        )
    if spread == 0:
        advice.append(
            "random candidates are one and the same: hardly any fits the limits; widen limits.window, or lower "
            "student.divisor"
        )
    elif spread is not None and spread <= row["stderr"]:
        advice.append(
            f"random candidates differ by {spread:.4f}, no more than the error of one score ({row['stderr']:.4f}): "
            f"use more validation images ({more}), or train the PruningNet longer (strategy.epochs)"
        )
    return {"ratio": ratio, "spread": spread, "stderr": row["stderr"], "advice": advice}
