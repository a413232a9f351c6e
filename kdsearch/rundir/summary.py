"""The shape of summary.json, schema 1, checked wherever it is read; of a run that has not ended most of it is empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NotRequired, cast

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from kdsearch.costs import HEADLINE
from kdsearch.errors import StoreError
from kdsearch.quoting import say_command
from kdsearch.records import Role
from kdsearch.rundir.details import DetailsRow, list_shares
from kdsearch.rundir.shapes import Seconds, check_shape
from kdsearch.spec.metric import Metric

Value = int | float | str
Records = list[dict[str, float]]  # one an epoch
_OPEN = ConfigDict(extra="allow")  # what tasks, strategies and exporters add has no fixed shape


@with_config(_OPEN)
class MetricRow(TypedDict):
    """The task's headline metric, as ``Metric.describe`` gives it."""

    name: str
    better: Literal["higher", "lower"]
    label: str
    unit: str
    times: float
    digits: int
    points: str
    least: float | None
    tested_on: NotRequired[str]  # of what older versions wrote there is none
    validated_on: NotRequired[str]
    searched: NotRequired[str]
    searched_label: NotRequired[str]


class InputRow(TypedDict):
    """What the nets read: shape of an image as channels, height, width; statistics of pixels in 0..1."""

    shape: tuple[int, int, int]
    mean: list[float]
    std: list[float]


@with_config(_OPEN)
class TaskRow(TypedDict):
    """What was learnt from which data."""

    name: str
    metric: MetricRow
    data: str
    digest: str
    classes: list[str]
    input: InputRow
    notes: list[str]


@with_config(_OPEN)
class CostsRow(TypedDict):
    """A net that was not trained: what it costs."""

    costs: dict[str, float]


@with_config(_OPEN)
class ReferenceRow(CostsRow):
    """A net that the study started from."""

    id: str
    role: Literal["given", "teacher"]
    name: str
    metrics: dict[str, float]
    unmeasured: NotRequired[dict[str, str]]  # name of a cost to why it is not among them


@with_config(_OPEN)
class LineageRow(TypedDict):
    """Where a student came from, ``start`` among it; figures by seed."""

    origin: str
    budget: int | None
    strategy: str
    seeds: dict[str, float]
    validated: dict[str, float]
    exported_seed: int
    delivered: NotRequired[dict[str, Any]]


@with_config(_OPEN)
class StudentRow(TypedDict):
    """A trained net, as ``records.Student``, with the widths of its layers."""

    id: str
    role: Role
    candidate: dict[str, Value]
    widths: dict[str, int]
    metrics: dict[str, float]
    spread: dict[str, float]
    costs: dict[str, float]
    files: dict[str, str]
    parity: dict[str, float]
    history: Records
    lineage: LineageRow
    details: DetailsRow
    budget: int | None
    layer_widths: list[tuple[str, int, int]]


@with_config(_OPEN)
class FinalistRow(TypedDict):
    """A net that was trained to choose the winner; its headline figure stands under the metric's name."""

    budget: int
    round: int
    epochs: int
    candidate: dict[str, Value]
    origin: str
    score: float | None


@with_config(_OPEN)
class AskedRow(TypedDict):
    """How a teacher was asked."""

    mode: str
    reason: str


class TeacherRow(TypedDict):
    """The study's teacher."""

    name: str
    sha256: str
    views: int
    asked: dict[str, AskedRow]


class RankRow(TypedDict):
    """Agreement of scores with what finalists reached."""

    tau: float
    low: float
    high: float
    count: int


@with_config(_OPEN)
class ProxyRow(TypedDict):
    """Whether scores could be believed."""

    verdict: Literal["trusted", "weak", "unknown"]
    advice: list[str]
    grounds: NotRequired[list[str]]
    ratio: NotRequired[float | None]
    spread: NotRequired[float | None]
    stderr: NotRequired[float | None]
    rank: NotRequired[RankRow | None]
    rank_unknown: NotRequired[str]


class TrialsRow(TypedDict):
    """How many trials were scored, failed, and were in the ledger when the last driver started."""

    done: int
    failed: int
    cached: int


@with_config(_OPEN)
class PreparedRow(TypedDict):
    """Figures of the strategy's preparation."""

    history: NotRequired[Records]


class LayerRow(TypedDict):
    """A layer and its channels in the full net."""

    name: str
    full: int


@with_config(_OPEN)
class Summary(TypedDict):
    """What a run found."""

    schema: Literal[1]
    name: str
    state: Literal["done", "stopped", "running", "failed"]
    stopped: str
    exhausted: str
    run_dir: str
    seed: int
    versions: dict[str, str]
    seconds: Seconds
    trials: TrialsRow
    front: list[int]
    ranked_by: MetricRow | None  # what a score is; None where the task's metric ranks
    net: str
    task: TaskRow
    budgets: list[dict[str, tuple[float | None, float]]]
    full: CostsRow
    uniform: CostsRow
    teacher: TeacherRow | None
    references: list[ReferenceRow]
    students: list[StudentRow]
    finalists: list[FinalistRow]
    proxy: ProxyRow
    prepared: PreparedRow
    layers: list[LayerRow]
    frozen: list[tuple[str, str]]
    commands: dict[str, str]


_SHAPE = TypeAdapter(Summary)
ENDED = ("done", "stopped")


def begin_summary(name: str, task: TaskRow) -> Summary:
    """What can be said of a run of that name before anything has come of it."""
    return {
        "schema": 1,
        "name": name,
        "state": "running",
        "stopped": "",
        "exhausted": "",
        "run_dir": "",
        "seed": 0,
        "versions": {},
        "seconds": {},
        "trials": {"done": 0, "failed": 0, "cached": 0},
        "front": [],
        "ranked_by": None,
        "net": "",
        "task": task,
        "budgets": [],
        "full": {"costs": {}},
        "uniform": {"costs": {}},
        "teacher": None,
        "references": [],
        "students": [],
        "finalists": [],
        "proxy": {"verdict": "unknown", "advice": []},
        "prepared": {},
        "layers": [],
        "frozen": [],
        "commands": {},
    }


def check_summary(content: Any, path: Path) -> Summary:
    """The content of summary.json, once nothing that its readers need is missing or of another kind.

    Raises:
        StoreError: something is; the message says what.
    """
    remedy = f"to write it again: {say_command('resume', path.parent)}"
    check_shape(content, _SHAPE, path, remedy)
    summary = cast("Summary", content)
    if summary["state"] not in ENDED:
        raise StoreError(f"{path}: damaged (state: a run that is {summary['state']} has no summary yet); {remedy}")
    lost = next(iter(_find_lost(summary)), None)
    if lost is not None:
        raise StoreError(f"{path}: damaged ({lost}); {remedy}")
    return summary


def _find_lost(summary: Summary) -> list[str]:
    """What no type can say: keys that the metric names, and lists that belong together."""
    task, lost = summary["task"], []
    metric = Metric.of(cast("dict[str, Any]", task["metric"]) if task["metric"]["name"] else None)
    name, validated = metric.name, metric.validation
    for at, row in enumerate(summary["students"]):
        where = f"students.{at}"
        lost += [f"{where}.metrics.{name}: field required"] * (name not in row["metrics"])
        lost += [f"{where}.costs.{HEADLINE}: field required"] * (HEADLINE not in row["costs"])
        classes = row["details"].get("per_class")
        if classes and {len(list_shares(classes)), len(classes["images"])} != {len(task["classes"])}:
            lost.append(f"{where}.details.per_class: needs {len(task['classes'])} classes")
    for at, reference in enumerate(summary["references"]):
        lost += [f"references.{at}.metrics.{name}: field required"] * (name not in reference["metrics"])
    for at, finalist in enumerate(summary["finalists"]):
        lost += [f"finalists.{at}.{validated}: field required"] * (validated not in finalist)
    return lost
