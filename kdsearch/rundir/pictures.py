"""What a run's trainings looked like: a folder each of PNG files, numbered by their epochs."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from kdsearch.files import save_bytes
from kdsearch.progress import Show
from kdsearch.records import PictureMade, RunPaths

_TRIAL = re.compile(r"trial_(\d+)")


def name_trial(number: int) -> str:
    """What the pictures of a trial are filed under."""
    return f"trial_{number:04d}"


def showing(say: Callable[[PictureMade], object], of: str) -> Show:
    """Says each picture of one trial or training to whoever keeps them."""

    def show(epoch: int, png: bytes) -> None:
        say(PictureMade(of, epoch, png))

    return show


def keeping(paths: RunPaths, of: str) -> Show:
    """Keeps each picture at once: what the driver's own trainings are shown by."""
    return showing(partial(keep_picture, paths), of)


def keep_picture(paths: RunPaths, made: PictureMade) -> None:
    """Writes it into the run directory; called by the driver alone.

    Raises:
        StoreError: it cannot be written.
    """
    save_bytes(paths.pictures / made.of / f"{made.epoch:04d}.png", made.png)


def list_pictures(paths: RunPaths) -> dict[str, list[Path]]:
    """The pictures of every trial and training that has any, first those of trainings; each in order of the epochs."""
    folders = [folder for folder in paths.pictures.glob("*") if folder.is_dir()]
    folders.sort(key=lambda folder: (_TRIAL.fullmatch(folder.name) is not None, folder.name))
    return {folder.name: pictures_of(paths, folder.name) for folder in folders}


def pictures_of(paths: RunPaths, of: str) -> list[Path]:
    """The pictures of one trial or training, in order of the epochs."""
    return sorted((paths.pictures / of).glob("*.png"), key=lambda path: int(path.stem))


def picture_id(number: int, picture: Path) -> str:
    """A trial's picture as Optuna's dashboard asks for it, which takes hexadecimal digits and dashes only."""
    return f"{number:x}-{int(picture.stem):x}"


def find_picture(paths: RunPaths, picture: str) -> Path:
    """The file of a ``picture_id``.

    Raises:
        ValueError: it is none.
    """
    number, epoch = (int(part, 16) for part in picture.split("-"))
    return paths.pictures / name_trial(number) / f"{epoch:04d}.png"
