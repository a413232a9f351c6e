"""Data sets of generated images: those of a bank, and those that stand in for images which are yet to be generated.

N: images, C: channels of images, classes of logits, H and W: pixels.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from kdsearch.data.datasets import Dataset, load_test_part
from kdsearch.data.images import ImageSet, LateTest
from kdsearch.data.seeds import mix_seed
from kdsearch.data.split import thin_out
from kdsearch.data.stored_bank import StoredBank, StoredPart, read_bank
from kdsearch.errors import DataError
from kdsearch.spec.task_sections import ImageSource, TaskOptions

_log = logging.getLogger(__name__)
_BLUR = 4  # pixels from one drawn value to the next
_APART = 3  # rows of the canvas between two images


def open_bank(options: TaskOptions, *, cache_dir: Path, seed: int = 0) -> Dataset:
    """The data set that is the bank of ``task.bank``.

    Raises:
        DataError: there is none, or it is damaged; the message names the file.
    """
    assert options.bank is not None
    return bank_dataset(read_bank(options.bank), options, cache_dir=cache_dir, seed=seed)


def bank_dataset(bank: StoredBank, options: TaskOptions, *, cache_dir: Path, seed: int = 0) -> Dataset:
    """The bank's images with the teacher's likeliest class as label, and its class probabilities as targets.

    ``task.test`` takes the place of the bank's own test part, and is read when somebody asks for it.
    """
    parts = {name: label_part(part) for name, part in bank.parts.items()}
    train, digest = parts["train"], bank.digest
    if options.train_images is not None:
        rows = thin_out(train.labels_N, torch.arange(len(train)), options.train_images, seed=seed)
        train = train.subset(rows)
        digest = hashlib.sha256(f"{digest} {options.train_images} {seed}".encode()).hexdigest()
    order = torch.randperm(len(parts["validation"]), generator=torch.Generator().manual_seed(mix_seed(seed, 0)))
    late = None if options.test is None else late_test(options.test, bank, cache_dir=cache_dir, seed=seed)
    return Dataset(
        f"images generated from {bank.teacher}",
        train,
        parts["validation"].subset(order),
        parts["test"],
        bank.classes,
        bank.mean,
        bank.std,
        digest,
        _note(bank, options),
        late,
    )


def label_part(part: StoredPart) -> ImageSet:
    """The images of a part with what the teacher says of them."""
    logits_NC = part.logits_NC.float()
    return ImageSet(part.images_NCHW, logits_NC.argmax(1), F.softmax(logits_NC, 1))


def _note(bank: StoredBank, options: TaskOptions) -> tuple[str, ...]:
    counts = {name: len(part.images_NCHW) for name, part in bank.parts.items()}
    kept = counts["train"] if options.train_images is None else options.train_images
    held = "" if options.test is not None else f" and {counts['test']:,} for the end"
    said = (
        f"no camera took these images: {kept:,} for training, {counts['validation']:,} for validation{held} were "
        f"generated from {bank.teacher} (seed {bank.provenance['seed']}), whose answers are their labels"
    )
    real = () if options.test is None else (f"the test images are real ones of {options.test.source}",)
    missing = len(bank.classes) - len(bank.parts["train"].logits_NC.argmax(1).unique())
    lost = () if not missing else (f"{bank.teacher} takes none of the training images for {missing} of its classes",)
    for line in lost:
        _log.warning("%s", line)
    return (said, *real, *lost)


def late_test(source: ImageSource, bank: StoredBank, *, cache_dir: Path, seed: int) -> LateTest:
    """The real test images, cut to the bank's size, which are opened when somebody asks for them."""
    channels, height, width = bank.image_shape
    named = {key: getattr(source, key) for key in type(source).model_fields}
    cut = {"image_size": height if height == width else None, "channels": channels}
    options = TaskOptions(**named, **cut)

    def load() -> ImageSet:
        images, names = load_test_part(options, cache_dir=cache_dir, seed=seed)
        found = tuple(images.images_NCHW.shape[1:])
        if found != bank.image_shape:
            raise DataError(
                f"task.test: {source.source}: its images are {found} (channels, height, width), the teacher reads "
                f"{bank.image_shape}; put images of that shape there and resume"
            )
        return ImageSet(images.images_NCHW, match_labels(images.labels_N, names, bank.classes, source.source))

    return LateTest(load)


def match_labels(labels_N: Tensor, names: Sequence[str] | None, classes: Sequence[str], source: str) -> Tensor:
    """The labels as places among the teacher's classes: by name, or by number where one of the two has numbers only.

    Raises:
        DataError: a class that the teacher does not know.
    """
    numbers = [str(number) for number in range(len(classes))]
    if names is None or (list(classes) == numbers and len(names) <= len(classes)):
        outside = labels_N[(labels_N < 0) | (labels_N >= len(classes))]
        if len(outside):
            raise DataError(
                f"task.test: {source}: holds label {int(outside[0])}, the teacher has the {len(classes)} classes "
                f"0..{len(classes) - 1}; put images of those there and resume"
            )
        return labels_N
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise DataError(
            f"task.test: {source}: holds class '{unknown[0]}', the teacher knows {', '.join(classes[:5])}"
            f"{', ..' if len(classes) > 5 else ''}; put images of those there and resume"
        )
    return torch.tensor([classes.index(name) for name in names])[labels_N]


def placeholder_dataset(  # noqa: PLR0913 - what a teacher says of its input, all of it
    name: str,
    *,
    shape: tuple[int, int, int],
    classes: tuple[str, ...],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    counts: tuple[int, int, int],
    digest: str,
) -> Dataset:
    """As many images of smooth noise as will be generated (training, validation, test), their labels class by class.

    Enough to try nets on, and to time them; nothing may be learned from them.
    """
    train, validation, test = (
        ImageSet(draw_smooth(count, shape, mean, std, seed), torch.arange(count) % len(classes))
        for seed, count in enumerate(counts)
    )
    return Dataset(name, train, validation, test, classes, mean, std, digest)


def draw_smooth(
    count: int, shape: tuple[int, int, int], mean: Sequence[float], std: Sequence[float], seed: int
) -> Tensor:
    """So many images (uint8 NCHW) of noise whose neighbours are alike, about as bright and as varied as is said.

    They are windows of one tall canvas, a few rows apart, so that they take next to no memory.
    """
    channels, height, width = shape
    rows = _APART * (count - 1) + channels * height
    generator = torch.Generator().manual_seed(mix_seed(seed, 0))
    drawn = torch.randn(1, 1, rows // _BLUR + 2, width // _BLUR + 2, generator=generator)
    smooth = F.interpolate(drawn, size=(rows, width), mode="bilinear", align_corners=False)[0, 0]
    level, spread = sum(mean) / len(mean), sum(std) / len(std)
    canvas = (255 * (level + spread * smooth)).round().clamp(0, 255).to(torch.uint8)
    return canvas.as_strided((count, channels, height, width), (_APART * width, height * width, width, 1))
