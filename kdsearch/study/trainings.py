"""Every training that a study's end asks for, on the workers or here, watched as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kdsearch.progress import Progress, Watch
from kdsearch.records import Training
from kdsearch.study.trial import run_training

if TYPE_CHECKING:
    from kdsearch.executors.base import Executor


def train_all(trainings: Sequence[Training], executor: Executor, watch: Watch) -> None:
    """Every training once: on the workers side by side if there are any, else here, one after the other."""
    single = {training.name: training for training in trainings}
    if executor.capacity == 1:
        for at, training in enumerate(single.values()):
            run_training(training, _placed(watch, at, len(single), training.name))
        return
    futures = {executor.submit(run_training, training): training for training in single.values()}
    for at, future in enumerate(futures):
        future.result()
        watch(Progress("finish", at + 1, len(futures), futures[future].name))


def noted(watch: Watch, note: str) -> Watch:
    """A watch of the end that puts ``note`` before what it is told."""
    return lambda progress: watch(
        Progress("finish", progress.step, progress.total, f"{note} {progress.note}", progress.values)
    )


def _placed(watch: Watch, at: int, count: int, name: str) -> Callable[[Progress], None]:
    """Steps of one training as steps of all of them."""

    def told(progress: Progress) -> None:
        step, total = at * max(progress.total, 1) + progress.step, count * max(progress.total, 1)
        watch(Progress("finish", step, total, f"{at + 1}/{count} {name}", progress.values))

    return told
