"""Data sets in three parts: training, validation (all that a search may read) and test (read once, at the end)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from kdsearch.data import arrays, folder, packaged
from kdsearch.data.balance import note_imbalance
from kdsearch.data.decode import ADVICE, BrokenImagesError
from kdsearch.data.images import ImageSet, LateTest, Pool, Source
from kdsearch.data.split import hold_out, thin_out
from kdsearch.errors import DataError
from kdsearch.files import make_cache_folder, save_atomically
from kdsearch.spec.task_sections import TaskOptions

__all__ = ["Dataset", "ImageSet", "load_dataset"]

_log = logging.getLogger(__name__)
_SAMPLE = 20_000  # how many images of a part above _LARGE bytes are read for its digest and mean colour
_LARGE = 2**30
_NAMED_FAULTS = 10


@dataclass(frozen=True, slots=True)
class Dataset:
    """Three parts, the class names, and mean and deviation of the training part's channels in 0..1.

    ``digest`` is a sha256 over images, labels and class names of all parts (of a part above 1 GiB: all labels and
    20,000 evenly spaced images). ``notes``: what somebody who looks at results should know of the data.
    ``late_test``: a test part in place of ``test`` that is not read before somebody asks for it.
    """

    name: str
    train: ImageSet
    validation: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str
    notes: tuple[str, ...] = ()
    late_test: LateTest | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.train.images_NCHW.shape[1:]
        return channels, height, width

    @property
    def channels(self) -> int:
        """1 or 3."""
        return self.image_shape[0]

    @property
    def num_classes(self) -> int:
        """Classes, with or without images in a part."""
        return len(self.classes)


def load_dataset(options: TaskOptions, *, cache_dir: Path, seed: int = 0) -> Dataset:
    """The data set that the task names, cut to the task's size, channels and number of training images.

    Parts that the data do not bring are held out of the training part, class by class: ``test_share`` and
    ``validation_share`` of its images. The validation part is shuffled, so that its first n images are a fair sample.
    The same options, files and seed give the same parts.

    Raises:
        DataError: files are missing, broken or inconsistent; the message names them.
    """
    source = _open(options, cache_dir)
    pools, rows = _assign(source, options, seed)
    parts, broken = _decode(source.name, pools, rows, cache_dir)
    _check(source, parts)
    labels_N, weighted = parts["train"].labels_N, options.class_weights is not None
    unequal = note_imbalance(source.name, source.classes, labels_N, weighted=weighted)
    for note in (broken, "" if weighted else unequal):
        if note:
            _log.warning("%s", note)
    notes = tuple(note for note in (*source.notes, broken, unequal) if note)
    mean, std = channel_statistics(parts["train"].images_NCHW)
    train, validation, test = (parts[part] for part in ("train", "validation", "test"))
    digest = _digest(source.classes, parts)
    return Dataset(source.name, train, validation, test, source.classes, mean, std, digest, notes)


def load_test_part(options: TaskOptions, *, cache_dir: Path, seed: int = 0) -> tuple[ImageSet, tuple[str, ...] | None]:
    """The test part that ``load_dataset`` gives, alone, and the names of its classes; None where they have numbers.

    Raises:
        DataError: as there; an .npz file needs no more than x_test and y_test.
    """
    if options.npz is not None and (found := arrays.npz_test(options)) is not None:
        pool, names = found
        return ImageSet(pool.take(torch.arange(len(pool.labels_N))).images_NCHW, pool.labels_N), names
    source = _open(options, cache_dir)
    pools, rows = _assign(source, options, seed)
    parts, broken = _decode(source.name, pools, {"test": rows["test"]}, cache_dir)
    if broken:
        _log.warning("%s", broken)
    return parts["test"], source.classes


def channel_statistics(images_NCHW: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, 0..1, exact (from counts of the 256 values); deviation >= 1/255.

    A part above 1 GiB is sampled: 20,000 evenly spaced images.
    """
    sample = _sample(images_NCHW)
    values = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for channel in range(sample.shape[1]):
        counts = torch.zeros(256, dtype=torch.int64)
        for chunk in sample[:, channel].split(4096):
            counts += torch.bincount(chunk.reshape(-1), minlength=256)
        share = counts / counts.sum()
        mean = float((share.double() * values).sum())
        variance = float((share.double() * (values - mean) ** 2).sum())
        means.append(mean)
        deviations.append(max(variance**0.5, 1 / 255))
    return tuple(means), tuple(deviations)


def _open(options: TaskOptions, cache_dir: Path) -> Source:
    if options.dataset is not None:
        return arrays.mnist5k(options)
    if options.npz is not None:
        return arrays.npz(options)
    if options.folder is not None:
        return folder.read(options, cache_dir)
    return packaged.read(options, cache_dir)


def _assign(source: Source, options: TaskOptions, seed: int) -> tuple[dict[str, Pool], dict[str, Tensor]]:
    """The pool that each part is taken from, and its rows there."""
    pools = {"train": source.train, "validation": source.validation, "test": source.test}
    shares = {"validation": options.validation_share, "test": options.test_share}
    missing = [part for part in shares if pools[part] is None]
    labels = source.train.labels_N
    _check_classes(labels, source)
    held = hold_out(labels, [shares[part] for part in missing], seed=seed, classes=source.classes)
    rows = dict(zip([*missing, "train"], held, strict=True))
    if options.train_images is not None:
        rows["train"] = thin_out(labels, rows["train"], options.train_images, seed=seed)
    if source.validation is not None:
        count = len(source.validation.labels_N)
        rows["validation"] = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    if source.test is not None:
        rows["test"] = torch.arange(len(source.test.labels_N))
    return {part: pool or source.train for part, pool in pools.items()}, rows


def _check_classes(labels_N: Tensor, source: Source) -> None:
    if len(source.classes) < 2:
        raise DataError(f"{source.name}: has {len(source.classes)} class(es); classification needs 2 or more")
    counts = torch.bincount(labels_N, minlength=len(source.classes))
    empty = [source.classes[label] for label in torch.nonzero(counts == 0).flatten().tolist()]
    if empty:
        named = ", ".join(f"'{name}'" for name in empty[:5])
        raise DataError(f"{source.name}: no training image of {len(empty)} class(es): {named}; add some or drop them")


def _decode(
    name: str, pools: Mapping[str, Pool], rows: Mapping[str, Tensor], cache_dir: Path
) -> tuple[dict[str, ImageSet], str]:
    """The parts, and a line about images that are left out; all broken ones of all parts are named at once."""
    parts: dict[str, ImageSet] = {}
    faults: list[str] = []
    refused = False
    for part in (part for part in ("train", "validation", "test") if part in rows):
        try:
            taken = pools[part].take(rows[part])
        except BrokenImagesError as error:
            faults += error.faults
            refused = True
            continue
        faults += taken.broken
        kept = rows[part] if taken.kept is None else rows[part].index_select(0, taken.kept)
        parts[part] = ImageSet(taken.images_NCHW, pools[part].labels_N.index_select(0, kept))
    if refused:
        raise DataError(_name_faults(name, faults, cache_dir))
    if not faults:
        return parts, ""
    named = _name_faults(name, [fault.removesuffix(ADVICE) for fault in faults], cache_dir).replace("\n", "; ")
    return parts, f"{name}: {len(faults)} broken image(s) left out (task.skip_broken): {named}"


def _name_faults(name: str, faults: Sequence[str], cache_dir: Path) -> str:
    """A line for each of up to ten, and where a list of all of them is."""
    if len(faults) <= _NAMED_FAULTS:
        return "\n".join(faults)
    path = cache_dir / "broken" / f"{name}.txt"
    make_cache_folder(path.parent)

    def write(fresh: Path) -> None:
        fresh.write_text("\n".join(faults) + "\n", encoding="utf-8")

    save_atomically(path, write)
    more = f"... and {len(faults) - _NAMED_FAULTS} more; all {len(faults)} are listed in {path}"
    return "\n".join([*faults[:_NAMED_FAULTS], more])


def _check(source: Source, parts: dict[str, ImageSet]) -> None:
    _check_classes(parts["train"].labels_N, source)
    shapes = {part: tuple(images.images_NCHW.shape[1:]) for part, images in parts.items()}
    if len(set(shapes.values())) > 1:
        found = ", ".join(f"{part} {shape}" for part, shape in shapes.items())
        raise DataError(
            f"{source.name}: the parts' images differ in (channels, height, width): {found}; set "
            "task.image_size and task.channels"
        )
    for part in ("validation", "test"):
        absent = len(source.classes) - len(parts[part].labels_N.unique())
        if absent:
            _log.warning(
                "%s: %d of %d classes have no image in the %s part", source.name, absent, len(source.classes), part
            )


def _sample(images_NCHW: Tensor) -> Tensor:
    """All images, or 20,000 evenly spaced ones where there are more than 1 GiB of them."""
    if images_NCHW.numel() <= _LARGE or len(images_NCHW) <= _SAMPLE:
        return images_NCHW
    rows = torch.linspace(0, len(images_NCHW) - 1, _SAMPLE, dtype=torch.float64).long()
    return images_NCHW.index_select(0, rows)


def _digest(classes: tuple[str, ...], parts: dict[str, ImageSet]) -> str:
    found = hashlib.sha256(repr(classes).encode())
    for part, images in parts.items():
        found.update(f"{part} {tuple(images.images_NCHW.shape)}".encode())
        found.update(images.labels_N.numpy().tobytes())
        for chunk in _sample(images.images_NCHW).split(4096):
            found.update(chunk.contiguous().numpy().data)
    return found.hexdigest()
