"""What a search needs before its first trial: what the strategy prepares once a run, and workers that have read it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kdsearch import registry
from kdsearch.errors import StoreError
from kdsearch.files import check_hashes, has_hashes, note_hashes, read_json, save_json
from kdsearch.progress import Watch
from kdsearch.spec.study_spec import dumps
from kdsearch.study.sharing import shared_files
from kdsearch.study.trial import start_worker, use

if TYPE_CHECKING:
    from kdsearch.executors.base import Executor
    from kdsearch.study.planning import Study

log = logging.getLogger(__name__)


def prepare(study: Study, watch: Watch) -> Mapping[str, Any]:
    """What the strategy's preparation found, done once a run and read from the run directory afterwards."""
    folder = study.ctx.paths.prepared
    done = folder / "prepared.json"
    if has_hashes(folder):
        try:
            check_hashes(folder)
            read: Mapping[str, Any] = read_json(done)
            study.strategy.load(study.ctx)
        except StoreError as damage:
            log.warning("%s; it is prepared again", damage)
            shutil.rmtree(folder)
            folder.mkdir()
        else:
            return read
    # the teacher of finish answers now: an error there should not come after a long search
    figures = {**study.strategy.prepare(study.ctx, watch), "finish": study.finish.provision(study.ctx, watch)}
    save_json(done, figures)
    note_hashes(folder)  # written last: a folder with hashes is prepared whole
    return figures


@contextmanager
def running_executor(study: Study) -> Iterator[Executor]:
    """The study's executor with its workers set up; they are ended with the block, at once where it failed."""
    plugin = study.spec.executor
    kind = registry.find("kdsearch.executors", plugin.name)
    executor: Executor = kind(plugin.options)
    start_workers(executor, study)
    try:
        yield executor
    except BaseException:
        executor.shutdown(cancel=True)
        raise
    executor.shutdown()


def start_workers(executor: Executor, study: Study) -> None:
    """Has the executor's workers set up for a study that has been prepared."""
    if executor.in_process:
        executor.start(use, (study,))
        return
    executor.share(shared_files(study))
    executor.start(start_worker, (dumps(study.spec), study.task.digest))
