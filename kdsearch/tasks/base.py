"""What a task offers: data in three parts, a loss, and the figure that says how well a net does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from kdsearch.spec.metric import Metric
from kdsearch.spec.sections import Recipe, Section

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from kdsearch.data.batches import Batches
    from kdsearch.data.images import ImageSet

Part = Literal["train", "validation", "test"]


class Task(ABC):
    """What is learned, from which images, and how it is measured."""

    Options: ClassVar[type[Section]] = Section
    metric: Metric
    """The figure that nets are judged by; ``evaluate`` gives it by this name."""
    agreement: ClassVar[Metric | None] = None
    """What judges nets where the labels are a teacher's answers about generated images; None: they cannot be used."""
    num_classes: int
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str
    name: str
    generated: bool = False
    """Whether its images are generated from a teacher, whose answers are their labels."""
    placeholder: bool = False
    """Whether noise stands in for images that are yet to be generated."""
    notes: tuple[str, ...] = ()
    """What somebody who looks at results should know of the data."""

    @classmethod
    @abstractmethod
    def load(cls, options: Any, *, cache_dir: Path, seed: int) -> Self:
        """The task with the images that its options name in memory; the same for the same seed.

        Raises:
            DataError: they cannot be read; the message names the file.
        """

    @classmethod
    def metric_of(cls, options: Any) -> Metric:  # noqa: ARG003
        """The figure by which a task of these options judges nets, before it is loaded."""
        return cls.metric

    @classmethod
    @abstractmethod
    def source(cls, options: Any) -> str:
        """Where the images are from, before they are read."""

    @classmethod
    @abstractmethod
    def has_data(cls, options: Any) -> bool:
        """Whether all that the options name is on this machine, so that an error is about what it holds."""

    @classmethod
    def stand_in(cls, options: Any, classes: Sequence[str] | int | None) -> Self | None:  # noqa: ARG003
        """The task with images of noise, for forecasts without the data; None where the options do not say enough.

        ``classes``: those of the study's teacher, where it has one.
        """
        return None

    @abstractmethod
    def images(self, part: Part) -> ImageSet:
        """The part's images and labels.

        Raises:
            RuntimeError: the test part, of a task that must not read it.
        """

    @abstractmethod
    def train_batches(self, recipe: Recipe, seed: int, device: torch.device) -> Batches:
        """The training part in batches of the recipe's size, augmented as it says."""

    @abstractmethod
    def calibration(self, count: int, seed: int, device: torch.device) -> Tensor:
        """``count`` training images (all, if fewer), normalised, not augmented; the same for the same seed."""

    @abstractmethod
    def pick_varied(self, part: Part, count: int) -> list[int]:
        """The places of so many images of a part (all, if fewer) that differ as much as they may: for proofs."""

    @abstractmethod
    def loss(self, logits_BC: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """The loss that training lowers, averaged over the batch; ``labels`` are B, or BC of mixed images."""

    @abstractmethod
    def imitation_loss(self, outputs: Tensor, taught: Tensor) -> Tensor:
        """How far a narrow net's answers are from those of a wider one, which it is to imitate."""

    @classmethod
    @abstractmethod
    def rate_each(cls, outputs: Tensor, labels: Tensor) -> Tensor:
        """The figure of every image of a training batch, whose mean is the headline one; ``labels`` as in ``loss``."""

    @classmethod
    @abstractmethod
    def judge_each(cls, outputs: Tensor, label_B: Tensor) -> tuple[Tensor, Tensor]:
        """The figure of every image, whose mean is the headline one, and its loss (float64); both always finite."""

    @classmethod
    def standard_error(cls, total: float, squares: float, count: int) -> float:
        """The standard error of the headline figure, from the sums of so many images' figures and of their squares."""
        return float((max(0.0, squares / count - (total / count) ** 2) / count) ** 0.5)

    @property
    @abstractmethod
    def output_meaning(self) -> str:
        """What the numbers of a net's output are, as a manifest says it."""

    @abstractmethod
    def evaluate(
        self,
        model: nn.Module,
        part: Part,
        *,
        device: torch.device,
        batch_size: int | None = None,
        limit: int | None = None,
    ) -> dict[str, float]:
        """The net's figures on a part, the headline one among them, and ``loss``; ``limit`` images of it where given.

        ``batch_size``: images at once, None: so many as the device does fastest.
        """

    def examine(
        self, model: nn.Module, part: Part, *, device: torch.device
    ) -> tuple[dict[str, float], Mapping[str, Any]]:
        """As ``evaluate``, with what else the same reading of the images shows; by default nothing."""
        return self.evaluate(model, part, device=device), {}

    @abstractmethod
    def without_test(self) -> Self:
        """The task with a test part that raises when read: what a search is given."""

    @abstractmethod
    def normalised_by(self, mean: tuple[float, ...], std: tuple[float, ...]) -> Self:
        """The task with images normalised by these numbers of pixels in 0..1, one a channel: what a net expects."""
