"""Every training that a study's end asks for, on the workers or here, watched as one; what comes back is kept here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import as_completed
from functools import partial
from typing import TYPE_CHECKING, Any

from kdsearch.files import save_bytes
from kdsearch.progress import Progress, Watch, unwatched
from kdsearch.records import CheckpointAsked, CheckpointMade, PictureMade, RunPaths, Training
from kdsearch.rundir.pictures import keep_picture, keeping
from kdsearch.study.trained import checkpoint_path, is_trained, keep_result
from kdsearch.study.trial import run_training, train_one

if TYPE_CHECKING:
    from kdsearch.executors.base import Executor
    from kdsearch.study.planning import Study


def train_all(study: Study, trainings: Iterable[Training], executor: Executor, watch: Watch) -> None:
    """Every training once, on the workers side by side or here; what is finished already is not repeated."""
    single = list({training.name: training for training in trainings}.values())
    if executor.in_process:
        for at, training in enumerate(single):
            train_here(study, training, _placed(watch, at, len(single), training.name))
        return
    missing = [training for training in single if not is_trained(study.ctx.paths, training.name)]
    _train_there(study.ctx.paths, missing, executor, watch)


def train_here(study: Study, training: Training, watch: Watch = unwatched) -> None:
    """Trains in this process and keeps the result, unless it is there."""
    paths = study.ctx.paths
    if is_trained(paths, training.name):
        return
    checkpoint, show = checkpoint_path(paths, training.name), keeping(paths, training.name)
    keep_result(paths, train_one(study, training, checkpoint, watch, show))


def _train_there(paths: RunPaths, trainings: Sequence[Training], executor: Executor, watch: Watch) -> None:
    futures = {
        executor.submit(run_training, training, partial(_hear, paths, training)): training for training in trainings
    }
    for at, future in enumerate(as_completed(futures)):
        keep_result(paths, future.result())
        watch(Progress("finish", at + 1, len(futures), futures[future].name))


def _hear(paths: RunPaths, training: Training, message: Any) -> bytes | None:
    """Keeps the pictures and the checkpoint of a training elsewhere, and gives that back to whoever takes it on."""
    path = checkpoint_path(paths, training.name)
    if isinstance(message, CheckpointMade):
        save_bytes(path, message.content)
    elif isinstance(message, CheckpointAsked):
        return path.read_bytes() if path.exists() else None
    elif isinstance(message, PictureMade):
        keep_picture(paths, message)
    return None


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
