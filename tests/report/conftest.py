"""A run as its summary and ledger describe it, made up of figures that are easy to check by eye."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from kdsearch.candidates.space import Candidate
from kdsearch.records import Outcome
from kdsearch.report.reading import read_run
from kdsearch.report.run import Run
from kdsearch.rundir.summary import begin_summary
from kdsearch.spec.metric import ACCURACY

FULL = {"conv1": 64, "conv2": 128, "conv3": 256, "conv4": 256, "conv5": 512, "conv6": 512, "conv7": 512, "conv8": 512}
WINNER = {"conv1": 48, "conv2": 96, "conv3": 192, "conv4": 176, "conv5": 256, "conv6": 160, "conv7": 96, "conv8": 208}
UNIFORM = {name: round(width * 0.5) for name, width in FULL.items()}
FULL_MACS = 150_000_000


TASK = {
    "name": "classification",
    "metric": ACCURACY.describe(),
    "data": "cifar10",
    "digest": "9f2c51e0",
    "classes": list("0123456789"),
    "input": {"shape": [3, 32, 32], "mean": [0.5] * 3, "std": [0.25] * 3},
    "notes": [],
}


def blank(**parts: Any) -> dict:
    """The summary of a run from which nothing has come but these parts."""
    return begin_summary("x", dict(TASK)) | {"state": "done"} | parts


def run_of(outcomes: Sequence[Outcome] = (), **parts: Any) -> Run:
    """A run from which nothing has come but these outcomes and parts of a summary."""
    return read_run(blank(**parts), outcomes)


def make_outcomes(count: int = 120, seed: int = 0) -> list[Outcome]:
    """A search that climbs: trial 0 is the uniform gene, the last but 5 is the winner, bred in three steps."""
    rng = np.random.default_rng(seed)
    outcomes = []
    for number in range(count):
        score = 0.62 + 0.05 * (1 - np.exp(-number / 40)) + float(rng.normal(0, 0.006))
        macs = FULL_MACS * (0.5 - 0.025 * float(rng.random()))
        origin = "random" if number < 30 else f"mutation of {int(rng.integers(0, number))}"
        widths = {name: int(rng.integers(2, full // 8 + 1)) * 8 for name, full in FULL.items()}
        outcomes.append((number, widths, origin, score, macs))
    special = {0: (UNIFORM, "uniform widths"), count - 5: (WINNER, f"crossover of {count - 40} and 7")}
    rows = []
    for number, widths, origin, score, macs in outcomes:
        widths, origin = special.get(number, (widths, origin))
        if number == count - 5:
            score = 0.685
        costs = {"macs": round(macs), "parameters": 2_400_000, "size_bytes": 9_600_000}
        rows.append(Outcome(number, Candidate.of(widths, origin), "done", {"accuracy": float(score)}, costs, 0.4))
    failed = Outcome(count, Candidate.of(FULL, "random"), "failed", traceback="RuntimeError: boom")
    return [*rows, failed]


def make_history(top: float, epochs: int = 12) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "loss": 2.3 * float(np.exp(-epoch / 5)) + 0.2,
            "train_accuracy": top - 0.4 * float(np.exp(-epoch / 3)),
            "validation_accuracy": top - 0.5 * float(np.exp(-epoch / 3)),
            "learning_rate": 0.05,
            "seconds": 8.0,
        }
        for epoch in range(1, epochs + 1)
    ]


def make_finalist(
    number: int, widths: dict[str, int], origin: str, epochs: int, accuracy: float, budget=0, score=None
) -> dict:
    about = {"budget": budget, "round": number, "epochs": epochs, "candidate": widths, "origin": origin}
    return about | {"validation_accuracy": accuracy, "score": score}


def make_student(role: str, widths: dict[str, int], *, accuracy: float, macs: int, seeds: int = 3, **more) -> dict:
    share = macs / FULL_MACS
    return {
        "id": more.get("id", role),
        "role": role,
        "candidate": widths,
        "widths": widths,
        "metrics": {"accuracy": accuracy, "validation_accuracy": accuracy - 0.004},
        "spread": {"accuracy": 0.004, "validation_accuracy": 0.005} if seeds > 1 else {},
        "costs": {
            "macs": macs,
            "parameters": round(9_200_000 * share),
            "size_bytes": round(36_900_000 * share),
            "latency_ms": 0.4 + 4.1 * share,
        },
        "files": {},
        "parity": {},
        "history": make_history(accuracy),
        "lineage": {
            "origin": more.get("origin", ""),
            "budget": more.get("budget", 0),
            "strategy": "scratch",
            "seeds": {str(seed): accuracy for seed in range(seeds)},
            "validated": {str(seed): accuracy - 0.004 for seed in range(seeds)},
            "exported_seed": 0,
        },
        "budget": more.get("budget", 0),
        "layer_widths": [[name, full, widths[name]] for name, full in FULL.items()],
        "details": {},
    }


def make_summary() -> dict:
    winner = make_student("winner", WINNER, accuracy=0.913, macs=74_600_000, origin="crossover of 80 and 7")
    winner["files"] = {
        "torchscript": "students/winner/model.pt",
        "torchscript_lite": "students/winner/model.ptl",
        "weights": "students/winner/weights.safetensors",
    }
    winner["parity"] = {"torchscript": 1.9e-6, "torchscript_lite": 1.9e-6}
    uniform = make_student("uniform", UNIFORM, accuracy=0.898, macs=73_900_000, origin="uniform widths")
    full = make_student("full", FULL, accuracy=0.926, macs=FULL_MACS, seeds=1, budget=None)
    drawn = [
        make_student("random", UNIFORM, accuracy=0.88 + 0.006 * at, macs=74_000_000 + at, seeds=1, id=f"random-{at}")
        for at in range(3)
    ]
    return {
        "schema": 1,
        "name": "vgg11-cifar10",
        "state": "done",
        "stopped": "",
        "exhausted": "",
        "front": [],
        "ranked_by": None,
        "references": [],
        "frozen": [],
        "run_dir": "runs/vgg11-cifar10",
        "seed": 0,
        "versions": {"python": "3.11.7", "torch": "2.15.0", "timm": "1.0.31"},
        "seconds": {"prepare": 212.0, "search": 96.4, "finish": 640.0, "export": 12.1},
        "trials": {"done": 120, "failed": 1, "cached": 0},
        "net": "vgg11_bn",
        "task": dict(TASK),
        "budgets": [{"macs": [71_250_000, 75_000_000]}],
        "full": full,
        "uniform": uniform,
        "teacher": None,
        "students": [winner, uniform, *drawn, full],
        "finalists": [
            make_finalist(1, WINNER, "crossover of 80 and 7", 3, 0.61),
            make_finalist(1, UNIFORM, "uniform widths", 3, 0.60),
        ],
        "proxy": {"verdict": "trusted", "ratio": 0.74, "spread": 0.0182, "stderr": 0.0061, "advice": []}
        | {"rank": {"tau": 0.62, "low": 0.11, "high": 0.87, "count": 10}},
        "prepared": {"history": [{"epoch": at, "loss": 2.3 - 0.12 * at} for at in range(1, 9)]},
        "layers": [{"name": name, "full": full} for name, full in FULL.items()],
        "commands": {
            "resume": "kdsearch resume runs/vgg11-cifar10",
            "reproduce": "kdsearch launch runs/vgg11-cifar10/spec.yaml",
        },
    }


@pytest.fixture
def summary() -> dict:
    return make_summary()


@pytest.fixture
def outcomes() -> list[Outcome]:
    return make_outcomes()
