"""Trains a teacher by its card's recipe and writes the card that a study can name."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kdsearch.data.seen import sketch_images
from kdsearch.errors import SpecError, StoreError
from kdsearch.files import cache_dir, hash_file, read_json, save_json
from kdsearch.models.zoo import make_net
from kdsearch.progress import Progress, Watch, unwatched
from kdsearch.records import RunPaths
from kdsearch.rundir.runlog import recording
from kdsearch.rundir.store import RunLock, save_text
from kdsearch.rundir.taught import ASKED, CARD
from kdsearch.spec.plugins import TaskPlugin
from kdsearch.spec.teacher_card import Card, InputOptions, read_card, to_yaml
from kdsearch.study.planning import load_task
from kdsearch.tasks.base import Task
from kdsearch.training.checkpoint import remove_checkpoint
from kdsearch.training.loop import Setting
from kdsearch.training.net import train_net
from kdsearch.weights import save_weights

_log = logging.getLogger(__name__)
_CHECKPOINT = "checkpoint.pt"
_OWN = {ASKED, "lock", "logs", "failure.json"}  # all that a run directory holds before its request is written


@dataclass(frozen=True, slots=True)
class Taught:
    """A trained teacher: its completed card and where that lies, and the seconds that this took (0 if it was there)."""

    card: Card
    card_path: Path
    seconds: float


def teach(card: Card, run_dir: str | Path | None = None, watch: Watch = unwatched) -> Taught:
    """The teacher, trained in ``run_dir`` or in runs/teach-NAME; one that was interrupted there goes on.

    It is a function of the card, its data and the machine alone, however often it was interrupted.

    Raises:
        SpecError: the card has no task or recipe, or names a net that cannot be made.
        StoreError: the directory holds something else, another process trains in it, or it cannot be written.
        KdsearchError: the data cannot be read, or the training failed.
    """
    if card.task is None or card.recipe is None:
        raise SpecError(f"{card.name}: the card has no {'task' if card.task is None else 'recipe'} to train by; add it")
    paths = RunPaths(Path(run_dir or Path("runs", f"teach-{card.name}")).absolute())
    trained = (paths.root / CARD).is_file()
    parts = None if trained else _load(card, card.task)  # what cannot be loaded leaves no directory behind
    _make(paths.root)
    with RunLock(paths), recording(paths):
        _claim(paths.root, card)
        if parts is None or (paths.root / CARD).is_file():
            _log.warning("%s: is trained already; there is nothing left to do", paths.root)
            return Taught(read_card(paths.root / CARD), paths.root / CARD, 0.0)
        watch(Progress("plan", 0, 0, f"run directory {paths.root}, cache {cache_dir()}"))
        began = time.monotonic()
        return _train(card, *parts, paths.root, watch, began)


def _load(card: Card, named: TaskPlugin) -> tuple[Task, nn.Module]:
    """The card's data and its net, untrained."""
    task = load_task(named, card.seed)
    channels, side, _ = task.image_shape
    net = make_net(
        card.net.made_of(),
        num_classes=task.num_classes,
        in_channels=channels,
        image_size=side,
        seed=card.seed,
        section="teacher card: net",
    )
    return task, net


def _train(card: Card, task: Task, net: nn.Module, root: Path, watch: Watch, began: float) -> Taught:
    assert card.recipe is not None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    checkpoint = root / _CHECKPOINT
    every = max(1, card.recipe.epochs // 10)
    setting = Setting(card.seed, device, checkpoint, watch, phase="teach", note=card.name, evaluate_every_epochs=every)
    train_net(net, task, card.recipe, setting)
    weights = root / f"{card.name}.safetensors"
    save_weights(weights, net.state_dict())
    metric, figures = task.metric, {part: task.evaluate(net, part, device=device) for part in ("validation", "test")}
    metrics = {metric.name: figures["test"][metric.name], metric.validation: figures["validation"][metric.name]}
    done = card.model_copy(update=_facts(task) | {"weights": weights, "sha256": hash_file(weights), "metrics": metrics})
    save_text(root / CARD, to_yaml(done))  # written last: a directory with a card holds a trained teacher
    remove_checkpoint(checkpoint)
    return Taught(read_card(root / CARD), root / CARD, time.monotonic() - began)


def _facts(task: Task) -> dict[str, Any]:
    """What the card says of the data that its weights expect."""
    return {
        "input": InputOptions(shape=task.image_shape),
        "mean": task.mean,
        "std": task.std,
        "classes": task.classes,
        "data_hash": task.digest,
        "seen": sketch_images(task.images("train")),
    }


def _make(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        # a name with a dot is what a writer that was killed left
        others = {path.name for path in root.iterdir() if not path.name.startswith(".")} - _OWN
    except OSError as error:
        raise StoreError(
            f"{root}: the run directory cannot be made: {(error.strerror or str(error)).lower()}; name another"
        ) from None
    if others and not (root / ASKED).is_file():
        raise StoreError(f"{root}: not empty, and no teacher is trained there; name another --run-dir")


def _claim(root: Path, card: Card) -> None:
    """Writes what is to be trained there, or compares it with what was."""
    asked = card.model_dump(mode="json", include={"name", "net", "task", "seed", "recipe"})
    path = root / ASKED
    if not path.is_file():
        save_json(path, asked)
    before: Any = read_json(path)
    differing = [key for key in asked if not isinstance(before, dict) or before.get(key) != asked[key]]
    if differing:
        raise StoreError(
            f"{root}: holds the training of another card (other {', '.join(differing)}); name another --run-dir"
        )
