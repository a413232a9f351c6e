"""Classification of images.

B: batch, C: classes for logits, channels for images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kdsearch.spec.metric import ACCURACY, AGREEMENT, Metric
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.tasks.base import Part
from kdsearch.tasks.base_images import ImageTask

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from kdsearch.data.datasets import Dataset

_LARGEST_MATRIX = 100  # the most classes of a confusion matrix; a larger one is megabytes that nobody reads


class Classification(ImageTask):
    """Images with one label each; a net is measured by its top-1 accuracy, or by how often it agrees with a teacher."""

    metric = ACCURACY
    agreement: ClassVar[Metric | None] = AGREEMENT

    def __init__(self, options: TaskOptions, dataset: Dataset, *, test_readable: bool = True) -> None:
        from kdsearch.data.balance import weigh_classes

        super().__init__(options, dataset, test_readable=test_readable)
        self.class_weights = weigh_classes(options, dataset.train.labels_N, dataset.classes)
        self._weight_on: dict[torch.device, Tensor] = {}

    @property
    def output_meaning(self) -> str:
        return "logits"

    def pick_varied(self, part: Part, count: int) -> list[int]:
        """The first of every class, then the second of every class, and on: a folder's order begins with one class."""
        from kdsearch.data.split import spread_over_classes

        return spread_over_classes(self.images(part).labels_N.tolist(), count)

    def loss(self, logits_BC: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        from kdsearch.losses.pointwise import cross_entropy

        return cross_entropy(logits_BC, labels, smoothing, self._class_weights(logits_BC.device))

    def imitation_loss(self, outputs: Tensor, taught: Tensor) -> Tensor:
        """The divergence of the two nets' class probabilities."""
        from kdsearch.losses.pointwise import kd_loss

        return kd_loss(outputs, taught, 1.0)

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
        from kdsearch.measures.evaluation import share_error

        return share_error(total, count)

    def examine(
        self, model: nn.Module, part: Part, *, device: torch.device
    ) -> tuple[dict[str, float], Mapping[str, Any]]:
        """``per_class``: headline figure and images of each class; ``confusion`` (up to 100 classes): its answers."""
        import torch

        from kdsearch.measures.evaluation import count_confusions, take_answers

        answers: list[Tensor] = []
        outputs = 0

        def judge(logits_BC: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
            nonlocal outputs
            outputs = logits_BC.shape[1]
            answers.append(take_answers(logits_BC).cpu())
            return self.judge_each(logits_BC, labels)

        figures = self._measure(model, part, judge, device=device)
        label_N = self.images(part).labels_N
        confusion_CC = count_confusions(torch.cat(answers), label_N, outputs)
        right, images = confusion_CC.diagonal().tolist(), torch.bincount(label_N, minlength=outputs).tolist()
        shares = [hits / count if count else None for hits, count in zip(right, images, strict=True)]
        name = self.metric_on(part).name if self._agrees(part) else ACCURACY.name
        details: dict[str, Any] = {"per_class": {name: shares, "images": images}}
        if self.num_classes <= _LARGEST_MATRIX:
            details["confusion"] = confusion_CC.tolist()
        return figures, details

    def _agrees(self, part: Part) -> bool:
        """Whether the labels of a part are a teacher's answers, so that being right is to agree with it."""
        return self.generated and self.metric_on(part) == self.agreement
