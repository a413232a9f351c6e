"""What a teacher says of stored views of all training images: asked once, read by all trainings of a machine.

N: images, V: views of each, B: batch, C: classes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kdsearch.data.built import open_built
from kdsearch.data.columns import ColumnWriter, read_columns
from kdsearch.data.images import ImageSet
from kdsearch.data.stored_views import StoredViews
from kdsearch.errors import StoreError
from kdsearch.progress import Progress, Watch, unwatched
from kdsearch.spec.sections import Augmentation
from kdsearch.teaching.taps import flat_embedding

_FORMAT = 2
_LARGEST = 65504.0  # the largest number that float16 holds
_PIXELS = 1 << 18  # a batch of the teacher: 256 images of 32 x 32
_WATCH_SECONDS = 0.5
_VIEW = "view_"
_PART = 1024  # rows read at a time


class Answering(Protocol):
    """A frozen net that answers; ``kdsearch.teaching.teachers.Teacher`` is one."""

    @property
    def net(self) -> nn.Module: ...
    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def mean(self) -> tuple[float, ...]: ...
    @property
    def std(self) -> tuple[float, ...]: ...
    @property
    def columns(self) -> tuple[int, ...] | None: ...
    @property
    def made_of(self) -> str: ...

    def answer(self, pixels_BCHW: Tensor, taps: Mapping[str, str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits BC and tapped tensors by alias, in fp32."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """All that stored answers depend on. ``seed``: of the views; ``data_digest``: of the images, in their order.

    ``pooled``: the taps of which the means over the pixels are stored, as nobody reads more.
    """

    teacher: Answering
    taps: Mapping[str, str]
    views: int
    augmentation: Augmentation
    seed: int
    data_digest: str
    pooled: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """The same as JSON can hold it, the teacher as its weights' hash and what it does before and after its net."""
        teacher = {key: getattr(self.teacher, key) for key in ("sha256", "made_of", "mean", "std", "columns")}
        facts = {
            "format": _FORMAT,
            "teacher": teacher,
            "taps": dict(self.taps),
            "pooled": list(self.pooled),
            "views": self.views,
            "augmentation": self.augmentation.model_dump(),
            "seed": self.seed,
            "data": self.data_digest,
        }
        found: dict[str, Any] = json.loads(json.dumps(facts))
        return found

    def place(self, folder: Path) -> Path:
        """The folder of these answers in the cache's."""
        content = json.dumps(self.facts(), sort_keys=True)
        return folder / hashlib.sha256(content.encode()).hexdigest()[:32]


class TeacherCache:
    """Stored answers, which the system keeps in memory once for all processes that read them.

    ``stored``: the views that were answered about, for ``ViewBatches``.
    """

    def __init__(self, key: CacheKey, place: Path) -> None:
        facts, columns = read_columns(place)
        self.place, self._views, self._device = place, key.views, next(key.teacher.net.parameters()).device
        if facts.get("key") != key.facts():
            raise StoreError(f"{place}: damaged (it is of another key); delete it")
        try:
            colour = tuple(facts["colour"])
            self._logits: NDArray[np.float16] = columns["logits"]
            self._taps = {alias: columns[f"tap_{at}"] for at, alias in enumerate(sorted(key.taps))}
        except (KeyError, TypeError) as error:
            raise StoreError(f"{place}: damaged (it has no {error}); delete it") from None
        views = {name.removeprefix(_VIEW): column for name, column in columns.items() if name.startswith(_VIEW)}
        self.stored = StoredViews(views, key.views, key.augmentation, colour)
        self.size_bytes = sum(column.nbytes for column in columns.values())

    def signals(self, rows_B: Tensor, views_B: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The teacher's logits BC and tapped tensors by alias, fp32 on its device, for these images in these views.

        ``rows_B`` and ``views_B`` are on the CPU, as ``ViewBatch`` has them.
        """
        at_B = (rows_B * self._views + views_B).numpy()
        return self._read(self._logits, at_B), {alias: self._read(tap, at_B) for alias, tap in self._taps.items()}

    def of_view(self, alias: str, view: int) -> Iterator[Tensor]:
        """A tapped tensor of all training images in one view, in parts in order: rows in fp32, on the CPU."""
        column = self._taps[alias][view :: self._views]
        for start in range(0, len(column), _PART):
            yield torch.from_numpy(np.array(column[start : start + _PART])).float()

    def _read(self, column: NDArray[np.float16], at_B: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(column.take(at_B, 0)).to(self._device, non_blocking=True).float()


def cache_bytes(images: int, views: int, num_classes: int, tap_sizes: Iterable[int]) -> int:
    """Bytes of the answers about ``views`` views of ``images`` images, tapped tensors of these many numbers each.

    What the views themselves take, 41 bytes at most for each, is not in it.
    """
    return 2 * images * views * (num_classes + sum(tap_sizes))


def stored_taps(key: CacheKey, taps: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tapped tensors by alias as they are stored."""
    return {alias: flat_embedding(tensor) if alias in key.pooled else tensor for alias, tensor in taps.items()}


def is_cached(folder: Path, key: CacheKey) -> bool:
    """Whether ``folder`` has these answers; if so, ``open_cache`` reads them, unless they are damaged."""
    return key.place(folder).is_dir()


def open_cache(folder: Path, key: CacheKey, images: ImageSet, *, watch: Watch = unwatched) -> TeacherCache:
    """The answers in ``folder``; the teacher is asked for them now if they are not there.

    A folder of answers appears whole or not at all; a second process that wants the same ones waits. A killed build
    starts anew, and damaged answers are asked for anew with a warning.

    Raises:
        StoreError: the folder cannot be written, or float16 cannot hold an answer.
    """

    def wait() -> None:
        watch(Progress("prepare", 0, 0, f"waiting for another process that asks {key.teacher.name}"))

    return open_built(
        key.place(folder),
        read=partial(TeacherCache, key),
        build=partial(_ask_all, key=key, images=images, watch=watch),
        on_wait=wait,
    )


def _ask_all(place: Path, *, key: CacheKey, images: ImageSet, watch: Watch) -> None:
    """Fills an empty folder with the views and the answers, row n V + v for view v of image n."""
    if key.teacher.net.training:
        raise ValueError(f"teacher {key.teacher.name} is in training mode: its answers would depend on the batch")
    stored = StoredViews.draw(images, key.augmentation, views=key.views, seed=key.seed)
    total = len(images) * key.views
    height, width = images.images_NCHW.shape[2:]
    told = 0.0
    with ColumnWriter(place) as writer:
        for name, column in stored.columns.items():
            writer.append(_VIEW + name, column, total)
        # always the same batches, so that the same answers come out wherever they are computed anew
        for at_B in torch.arange(total).split(max(1, _PIXELS // (height * width))):
            answers = _ask(key, stored, images, at_B)
            done = int(at_B[-1]) + 1
            if done == len(at_B):
                _check_space(place, total * sum(halves[0].nbytes for halves in answers.values()))
            for name, halves in answers.items():
                writer.append(name, halves, total)
            if time.monotonic() - told >= _WATCH_SECONDS or done == total:
                told = time.monotonic()
                watch(Progress("prepare", done, total, f"asking {key.teacher.name}"))
        writer.finish({"key": key.facts(), "colour": stored.colour})


def _check_space(place: Path, needed: int) -> None:
    """Says before an hour of asking what a full disk would say after it."""
    free = shutil.disk_usage(place).free
    if needed > free:
        raise StoreError(
            f"{place.parent}: the teacher's answers take {needed / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are free; free "
            "some, lower teacher.views, tap smaller tensors, or set KDSEARCH_CACHE to another folder"
        )


def _ask(key: CacheKey, stored: StoredViews, images: ImageSet, at_B: Tensor) -> dict[str, NDArray[np.float16]]:
    """The answers about views ``at_B`` by the names of their columns."""
    rows_B, views_B = at_B // key.views, at_B % key.views
    device = next(key.teacher.net.parameters()).device
    with torch.inference_mode():
        pixels, _ = stored.show(images.images_NCHW, rows_B, views_B, device)
        logits_BC, taps = key.teacher.answer(pixels, key.taps)
        taps = stored_taps(key, taps)
        answers = {"logits": ("its logits", logits_BC)}
        answers |= {f"tap_{at}": (f"its tap {alias}", taps[alias]) for at, alias in enumerate(sorted(key.taps))}
        for what, tensor in answers.values():
            _check_range(tensor, f"teacher {key.teacher.name}: {what}", rows_B)
        return {name: tensor.half().cpu().numpy() for name, (_, tensor) in answers.items()}


def _check_range(tensor: Tensor, what: str, rows_B: Tensor) -> None:
    largest_B = tensor.flatten(1).abs().amax(1).cpu()
    beyond_B = ~(largest_B <= _LARGEST)  # written this way round so that nan is refused, too
    if beyond_B.any():
        at = int(beyond_B.nonzero()[0])
        raise StoreError(
            f"{what} reach {largest_B[at]:g} for training image {rows_B[at]}; answers are kept as float16, which ends "
            f"at {_LARGEST:g}: say teacher: {{mode: online}}, or use another teacher or tap"
        )
