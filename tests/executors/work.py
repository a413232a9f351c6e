"""What the executors' tests have workers do; a module of its own, as workers import it by name."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path

from kdsearch.errors import DataError
from kdsearch.records import Outcome

_base = [0]
_places: dict[str, Path] = {}


def begin(base: int) -> None:
    _base[:] = [base]


def begin_badly(path: str) -> None:
    raise DataError(f"{path}: missing")


def add(number: int) -> int:
    return _base[0] + number


def where(seconds: float) -> tuple[int, str, str]:
    time.sleep(seconds)
    return os.getpid(), os.environ.get("OMP_NUM_THREADS", ""), signal.getsignal(signal.SIGINT).name


def fail(number: int) -> None:
    raise ValueError(f"no {number}")


def fail_in_words(number: int) -> None:
    raise DataError(f"file {number}: broken")


def give_a_lock(number: int) -> object:
    return threading.Lock()


def die_until(path: str) -> int:
    """Kills its process until the file holds three marks; the number of marks."""
    marks = Path(path)
    with marks.open("a") as file:
        file.write("x")
    if len(marks.read_text()) < 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return len(marks.read_text())


def hang(trial) -> Outcome:
    """Trial 0 never ends; the others are scored."""
    while trial.number == 0:
        time.sleep(1)
    return score(trial)


def begin_slowly(base: int) -> None:
    time.sleep(1.5)
    begin(base)


def die(item: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def score(trial) -> Outcome:
    return Outcome(trial.number, trial.candidate, "done", {"accuracy": 0.5})


def converse(number: int, say) -> list[int]:
    """What the driver answers to the numbers below this one."""
    return [say(at) for at in range(number)]


def die_after_saying(number: int, say) -> int:
    """Says what it would do if asked again, and dies twice."""
    if say(number) < 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def hang_between(trial, say) -> Outcome:
    """Says something every tenth of a second for ever."""
    while True:
        say(trial.number)
        time.sleep(0.1)


def warn(text: str) -> int:
    logging.getLogger("kdsearch.work").warning(text)
    return os.getpid()


def remember(base: int, places: dict[str, Path]) -> None:
    begin(base)
    _places.update(places)


def read_shared(name: str) -> str:
    return _places[name].read_text()


def torch_threads(item: object) -> int:
    import torch

    return torch.get_num_threads()
