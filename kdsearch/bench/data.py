"""What loading, augmenting and the training loop cost against the bare training step of a small net."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.cost.threads import torch_threads
from kdsearch.data.datasets import Dataset
from kdsearch.data.images import ImageSet
from kdsearch.losses.pointwise import cross_entropy
from kdsearch.measures.layout import training_layout
from kdsearch.models.zoo import make_net
from kdsearch.spec.sections import Recipe, StudentOptions
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.tasks.classification import Classification
from kdsearch.training.loop import Setting
from kdsearch.training.net import train_net
from kdsearch.training.optim import make_optimizer

_STEPS = 40  # that one turn times
_TARGET = 0.05  # the share of a step's time that loading may take
_LOOP_TARGET = 0.03  # the share of a step's time that the loop around it may take


@dataclass(frozen=True, slots=True)
class Case:
    """A small net, its image shape, and the batch that the shipped studies use."""

    student: StudentOptions
    image_shape: tuple[int, int, int]
    batch: int = 64


def cases() -> tuple[Case, ...]:
    """The smallest nets that the shipped studies train: the harder it is for loading to stay unnoticed."""
    return (
        Case(StudentOptions(net="lenet5"), (1, 28, 28)),
        Case(StudentOptions(net="resnet20"), (3, 32, 32)),
        Case(StudentOptions(net="resnet20"), (3, 64, 64), 32),
    )


def run(*, repeats: int = 7, on_row: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
    """``cases``: milliseconds a batch of loading with augmentation, of a bare step, and of a step of ``train_net``.

    ``share`` is loading over step, ``loop_share`` what fit adds to a loop written by hand that loads and steps in turn
    (which takes longer than both alone: a step evicts the images from the caches, and loading the weights). One thread;
    all take turns, and figures are medians over the turns. Processor time of the thread on a CPU, wall time on a GPU.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = []
    with torch_threads(1):
        for case in cases():
            row = _measure(case, repeats, device)
            rows.append(row)
            if on_row is not None:
                on_row(row)
    return {"suite": "data", "device": str(device), "threads": 1, "cases": rows}


def _measure(case: Case, repeats: int, device: torch.device) -> dict[str, Any]:
    task = _random_task(case)
    recipe = Recipe(epochs=1, batch_size=case.batch)
    batches = task.train_batches(recipe, seed=0, device=device)
    by_hand, by_fit = (_net(case, device) for _ in range(2))
    loaded = list(batches.epoch(0))
    turns = []
    for turn in range(repeats + 1):
        stepping = _time(partial(_train_by_hand, by_hand, recipe, loaded), device)
        loading = _time(partial(_exhaust, batches.epoch(turn)), device)
        looping = _time(partial(_train_by_hand, by_hand, recipe, batches.epoch(turn)), device)
        fitting = _time(partial(train_net, by_fit, task, recipe, Setting(0, device)), device)
        turns.append((stepping / _STEPS, loading / _STEPS, looping / _STEPS, fitting / _STEPS))
    measured = turns[1:]  # the first turn warms up
    step_ms, load_ms, loop_ms, fit_ms = (1e3 * statistics.median(column) for column in zip(*measured, strict=True))
    return {
        "net": case.student.label,
        "image": list(case.image_shape),
        "batch": case.batch,
        "step_ms": round(step_ms, 3),
        "load_ms": round(load_ms, 3),
        "loop_ms": round(loop_ms, 3),
        "fit_ms": round(fit_ms, 3),
        "share": round(statistics.median(load / step for step, load, _, _ in measured), 4),
        "loop_share": round(statistics.median(fitted / loop - 1 for _, _, loop, fitted in measured), 4),
        "target": _TARGET,
        "loop_target": _LOOP_TARGET,
    }


def _random_task(case: Case) -> Classification:
    generator = torch.Generator().manual_seed(0)
    count = case.batch * _STEPS
    pixels = torch.randint(256, (count, *case.image_shape), dtype=torch.uint8, generator=generator)
    images = ImageSet(pixels, torch.randint(10, (count,), generator=generator))
    channels = case.image_shape[0]
    mean, std = (0.5,) * channels, (0.3,) * channels
    dataset = Dataset("random", images, images, images, tuple("0123456789"), mean, std, digest="none")
    return Classification(TaskOptions(dataset="mnist5k"), dataset)


def _net(case: Case, device: torch.device) -> nn.Module:
    return make_net(case.student, num_classes=10, in_channels=case.image_shape[0]).to(device)


def _train_by_hand(net: nn.Module, recipe: Recipe, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """An epoch as one would write it by hand, with the layout, optimiser and precision that ``train_net`` has."""
    with training_layout(net):
        optimizer = make_optimizer(recipe, net.train())
        for image_BCHW, label_B in batches:
            optimizer.zero_grad()
            with torch.autocast(image_BCHW.device.type, torch.bfloat16, enabled=image_BCHW.is_cuda):
                logits_BC = net(image_BCHW)
            cross_entropy(logits_BC, label_B).backward()
            optimizer.step()


def _exhaust(batches: Iterator[tuple[Tensor, Tensor]]) -> None:
    for _ in batches:
        pass


def _time(work: Callable[[], object], device: torch.device) -> float:
    """Seconds."""
    if device.type != "cuda":
        began = time.thread_time()
        work()
        return time.thread_time() - began
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    return time.perf_counter() - start
