"""Workers as they are on another machine: a folder of their own, filled only from what was shared."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

from kdsearch.executors.process import Process
from kdsearch.records import CheckpointAsked


class Elsewhere(Process):
    """Process workers that are handed copies, and fail as soon as they touch the driver's folder."""

    def __init__(self, options: Process.Options, folder: Path, forbidden: Path) -> None:
        super().__init__(options)
        self.folder, self.forbidden = folder, forbidden

    def share(self, files: Mapping[str, Path]) -> None:
        copies = {}
        for name, path in files.items():
            copies[name] = self.folder / name
            copies[name].parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if path.is_dir() else shutil.copy)(path, copies[name])
        super().share(copies)

    def start(self, initializer, arguments) -> None:
        super().start(begin_apart, (str(self.forbidden), str(self.folder), initializer, *arguments))


class Dying(Process):
    """Process workers that hand every checkpoint back; the first one is killed when it has handed back ten.

    ``asked``: whether there was a checkpoint each time that a worker asked for one; ``made``: how many came back.
    """

    def __init__(self, options: Process.Options) -> None:
        super().__init__(options)
        self.asked: list[bool] = []
        self.made = 0

    def start(self, initializer, arguments) -> None:
        super().start(begin_hasty, (initializer, *arguments))

    def submit(self, function, item, hear=None) -> Future:
        def killing(message):
            answer = hear(message)
            if isinstance(message, CheckpointAsked):
                self.asked.append(answer is not None)
            else:
                self.made += 1
                if self.made == 10:
                    self._workers[0]._process.kill()
            return answer

        return super().submit(function, item, killing)


def begin_hasty(initializer, *arguments) -> None:
    """Sets a worker up that saves at every step."""
    from kdsearch.study import trial
    from kdsearch.training import loop

    loop._SAVE_SECONDS = loop._WATCH_SECONDS = trial.HAND_BACK_SECONDS = 0.0
    initializer(*arguments)


def begin_apart(forbidden: str, folder: str, initializer, *arguments) -> None:
    """Sets a worker up that cannot open what lies in the driver's folder."""

    def refuse(event: str, details: tuple) -> None:
        for each in details if event in ("open", "os.listdir", "os.scandir", "os.mkdir", "os.rename") else ():
            if isinstance(each, str | os.PathLike) and os.fspath(each).startswith(forbidden):
                raise PermissionError(f"{event} {each}: not on this machine")

    os.chdir(folder)
    os.environ["KDSEARCH_CACHE"] = f"{folder}/cache"
    sys.addaudithook(refuse)
    initializer(*arguments)
