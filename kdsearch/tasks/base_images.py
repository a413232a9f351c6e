"""What tasks share whose images are decoded once and lie in memory, each with a label.

B: batch, C: outputs for logits, channels for images.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kdsearch.spec.sections import Recipe, Section
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.tasks.base import Part, Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from kdsearch.data.batches import Batches
    from kdsearch.data.datasets import Dataset
    from kdsearch.data.images import ImageSet
    from kdsearch.spec.metric import Metric

_IMAGES = 1024  # how many images a stand-in has where the study does not say
_CLASSES = 1000


class ImageTask(Task):
    """Labelled images. A task that extends it says what it is measured by, its losses and what outputs mean.

    One whose labels are not classes makes them of the data's in ``relabelled``.
    """

    Options: ClassVar[type[Section]] = TaskOptions

    def __init__(self, options: Any, dataset: Dataset, *, test_readable: bool = True) -> None:
        self.options = options
        self._test_readable = test_readable
        self._dataset = self.relabelled(dataset)
        self.num_classes, self.image_shape = self._dataset.num_classes, dataset.image_shape
        self.classes, self.digest = self._dataset.classes, dataset.digest
        self.mean, self.std = dataset.mean, dataset.std
        self.name, self.notes = dataset.name, dataset.notes
        self.metric, self.generated = self.metric_of(options), bool(options.generated)

    @classmethod
    def metric_of(cls, options: Any) -> Metric:
        """Of generated images what the labels are there, a teacher's answers, except on real test images."""
        if cls.agreement is None or not options.generated:
            return cls.metric
        if options.test is None:
            return cls.agreement
        found = cls.agreement
        return replace(cls.metric, searched=found.name, searched_label=found.label, validated_on=found.validated_on)

    def metric_on(self, part: Part) -> Metric:
        """The figure that a part gives."""
        return self.metric if part == "test" else self.metric.on_validation

    @classmethod
    def relabelled(cls, dataset: Dataset) -> Dataset:
        """The data with the labels that the task is about, and in ``classes`` a name for each output."""
        return dataset

    @classmethod
    def load(cls, options: Any, *, cache_dir: Path, seed: int) -> Self:
        from kdsearch.data.datasets import load_dataset
        from kdsearch.data.generated import open_bank

        load = load_dataset if options.bank is None else open_bank
        return cls(options, load(options, cache_dir=cache_dir, seed=seed))

    @classmethod
    def source(cls, options: Any) -> str:
        source: str = options.source
        return source

    @classmethod
    def has_data(cls, options: Any) -> bool:
        there: bool = options.are_there()
        return there

    @classmethod
    def stand_in(cls, options: Any, classes: Sequence[str] | int | None) -> Self | None:
        """A random image of ``image_size``, as often as ``train_images`` says, or 1,024 times.

        The validation part has its share beside them.
        """
        import torch

        from kdsearch.data.datasets import Dataset
        from kdsearch.data.images import ImageSet

        if options.image_size is None:
            return None
        shape = (options.channels or 3, options.image_size, options.image_size)
        random = torch.Generator().manual_seed(0)
        named = range(classes or _CLASSES) if isinstance(classes, int | None) else classes
        names = tuple(each if isinstance(each, str) else f"class {each}" for each in named)
        image_BCHW = torch.randint(0, 256, (1, *shape), dtype=torch.uint8, generator=random)

        def part(count: int) -> ImageSet:
            labels_N = torch.randint(0, len(names), (count,), generator=random)
            return ImageSet(image_BCHW.expand(count, -1, -1, -1), labels_N)  # the memory of one image

        count, share = options.train_images or _IMAGES, options.validation_share
        train, validation = part(count), part(max(1, round(count * share / (1 - share))))
        statistics = (0.5,) * shape[0], (0.25,) * shape[0]
        return cls(options, Dataset("random", train, validation, validation, names, *statistics, digest="random"))

    @property
    def dataset(self) -> Dataset:
        """The images; without the test part's where this task may not read them."""
        if self._test_readable:
            return self._dataset
        import torch

        return replace(self._dataset, test=self._dataset.test.subset(torch.arange(0)), late_test=None)

    def images(self, part: Part) -> ImageSet:
        if part == "test" and not self._test_readable:
            # a bug, not a user's mistake: it would spoil the run's figures
            raise RuntimeError("the test part is read once, after the search; score candidates on the validation part")
        if part == "test" and self._dataset.late_test is not None:
            return self._dataset.late_test.read()
        return {"train": self._dataset.train, "validation": self._dataset.validation, "test": self._dataset.test}[part]

    def train_batches(self, recipe: Recipe, seed: int, device: torch.device) -> Batches:
        from kdsearch.data.batches import Batches

        return Batches(
            self._dataset.train,
            batch_size=recipe.batch_size,
            seed=seed,
            mean=self.mean,
            std=self.std,
            augmentation=recipe.augment,
            device=device,
            num_classes=self.num_classes,
        )

    def calibration(self, count: int, seed: int, device: torch.device) -> Tensor:
        import torch

        from kdsearch.data.augment import normalise
        from kdsearch.data.seeds import mix_seed

        generator = torch.Generator().manual_seed(mix_seed(seed, 2))
        rows = torch.randperm(len(self._dataset.train), generator=generator)[:count]
        return normalise(self._dataset.train.images_NCHW.index_select(0, rows).to(device), self.mean, self.std)

    def pick_varied(self, part: Part, count: int) -> list[int]:
        """The places of evenly spaced images."""
        images = len(self.images(part))
        return list(range(images)) if images <= count else [at * images // count for at in range(count)]

    def imitation_loss(self, outputs: Tensor, taught: Tensor) -> Tensor:
        """The mean squared difference of the two nets' outputs."""
        return (outputs - taught).square().mean()

    def evaluate(
        self,
        model: nn.Module,
        part: Part,
        *,
        device: torch.device,
        batch_size: int | None = None,
        limit: int | None = None,
    ) -> dict[str, float]:
        """The means of what ``judge_each`` says, the standard error of the headline one, and ``images``.

        ``limit`` takes that many images, a random sample that is always the same.
        """
        return self._measure(model, part, self.judge_each, device=device, batch_size=batch_size, limit=limit)

    def _measure(
        self,
        model: nn.Module,
        part: Part,
        judge: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
        *,
        device: torch.device,
        batch_size: int | None = None,
        limit: int | None = None,
    ) -> dict[str, float]:
        from kdsearch.measures.evaluation import chunk_size, judge_images

        images, size, metric = self.images(part), batch_size or chunk_size(device), self.metric_on(part)
        found = judge_images(
            model, images, judge, mean=self.mean, std=self.std, device=device, batch_size=size, limit=limit
        )
        return {
            metric.name: found.figure / found.images,
            metric.stderr: self.standard_error(found.figure, found.squares, found.images),
            "loss": found.loss / found.images,
            "images": found.images,
        }

    def without_test(self) -> Self:
        hidden = copy.copy(self)
        hidden._test_readable = False
        hidden.metric = self.metric.on_validation
        return hidden

    def normalised_by(self, mean: tuple[float, ...], std: tuple[float, ...]) -> Self:
        other = copy.copy(self)
        other.mean, other.std = mean, std
        return other
