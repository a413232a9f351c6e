"""Classification of images.

B: batch, C: classes for logits, channels for images.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kdsearch.spec.metric import ACCURACY, Metric
from kdsearch.spec.sections import Recipe, Section, TaskOptions
from kdsearch.tasks.base import Part, Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from kdsearch.data.batches import Batches
    from kdsearch.data.datasets import Dataset
    from kdsearch.data.images import ImageSet

_LARGEST_MATRIX = 100  # classes; a matrix of more is megabytes that nobody reads


class Classification(Task):
    """Images with one label each; a net is measured by its top-1 accuracy."""

    Options: ClassVar[type[Section]] = TaskOptions
    metric: ClassVar[Metric] = ACCURACY

    def __init__(self, options: TaskOptions, dataset: Dataset, *, test_readable: bool = True) -> None:
        from kdsearch.data.balance import weigh_classes

        self.options = options
        self._test_readable = test_readable
        self._dataset = dataset
        self.num_classes, self.image_shape = dataset.num_classes, dataset.image_shape
        self.classes, self.digest = dataset.classes, dataset.digest
        self.mean, self.std = dataset.mean, dataset.std
        self.name, self.notes = dataset.name, dataset.notes
        self.class_weights = weigh_classes(options, dataset.train.labels_N, dataset.classes)
        self._weight_on: dict[torch.device, Tensor] = {}

    @property
    def dataset(self) -> Dataset:
        """The images; without the test part's where this task may not read them."""
        if self._test_readable:
            return self._dataset
        import torch

        return replace(self._dataset, test=self._dataset.test.subset(torch.arange(0)))

    def images(self, part: Part) -> ImageSet:
        if part == "test" and not self._test_readable:
            # a bug, not a user's mistake: it would spoil the run's figures
            raise RuntimeError("the test part is read once, after the search; score candidates on the validation part")
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

    def loss(self, logits_BC: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        from kdsearch.losses.pointwise import cross_entropy

        return cross_entropy(logits_BC, labels, smoothing, self._class_weights(logits_BC.device))

    def _class_weights(self, device: torch.device) -> Tensor | None:
        import torch

        if self.class_weights is None:
            return None
        if device not in self._weight_on:
            self._weight_on[device] = torch.tensor(self.class_weights, device=device)
        return self._weight_on[device]

    @classmethod
    def rate_each(cls, outputs: Tensor, labels: Tensor) -> Tensor:
        """1 where the answer is right; of mixed images the class with the largest share is right."""
        return outputs.argmax(1) == (labels if labels.ndim == 1 else labels.argmax(1))

    @classmethod
    def judge_each(cls, outputs: Tensor, label_B: Tensor) -> tuple[Tensor, Tensor]:
        from kdsearch.measures.evaluation import judge_logits

        return judge_logits(outputs, label_B)

    @classmethod
    def standard_error(cls, total: float, squares: float, count: int) -> float:  # noqa: ARG003
        """Of a share, with one success and one failure added: never zero."""
        share = (total + 1) / (count + 2)
        return float((share * (1 - share) / (count + 2)) ** 0.5)

    def evaluate(
        self,
        model: nn.Module,
        part: Part,
        *,
        device: torch.device,
        batch_size: int | None = None,
        limit: int | None = None,
    ) -> dict[str, float]:
        """``accuracy`` (0..1), ``accuracy_stderr`` (sqrt(p (1 - p) / n)), ``loss`` (nats), ``images``.

        ``limit`` takes that many images, a random sample that is always the same.
        """
        from kdsearch.measures.evaluation import chunk_size, classification_figures

        images, size = self.images(part), batch_size or chunk_size(device)
        return classification_figures(
            model, images, mean=self.mean, std=self.std, device=device, batch_size=size, limit=limit
        )

    def examine(
        self, model: nn.Module, part: Part, *, device: torch.device
    ) -> tuple[dict[str, float], Mapping[str, Any]]:
        """``per_class``: accuracy and images of each class; ``confusion`` (up to 100 classes): answers by class."""
        from kdsearch.measures.evaluation import chunk_size, classify

        size = chunk_size(device)
        reading = classify(model, self.images(part), mean=self.mean, std=self.std, device=device, batch_size=size)
        right, images = reading.confusion_CC.diagonal().tolist(), reading.images_C.tolist()
        shares = [hits / count if count else None for hits, count in zip(right, images, strict=True)]
        details: dict[str, Any] = {"per_class": {"accuracy": shares, "images": images}}
        if self.num_classes <= _LARGEST_MATRIX:
            details["confusion"] = reading.confusion_CC.tolist()
        return reading.figures, details

    def without_test(self) -> Self:
        hidden = copy.copy(self)
        hidden._test_readable = False
        return hidden

    def normalised_by(self, mean: tuple[float, ...], std: tuple[float, ...]) -> Self:
        other = copy.copy(self)
        other.mean, other.std = mean, std
        return other
