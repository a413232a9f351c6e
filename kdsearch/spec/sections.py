"""The sections of a study file that are not plug-ins, and the base of all options; no torch here.

``kdsearch validate`` answers in a second because nothing on its way imports torch: options live in this file or in the
plug-in's class, and plug-ins import what computes inside their methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

if TYPE_CHECKING:
    from kdsearch.spec.study_spec import StudySpec

Share = Annotated[float, Field(gt=0, le=1)]


def _one_for_all_channels(given: Any) -> Any:
    return (given,) if isinstance(given, int | float | str) and not isinstance(given, bool) else given


def _check_pixels(given: tuple[float, ...], least: float, most: float) -> tuple[float, ...]:
    for number in given:
        if not least <= number <= most:
            raise ValueError(
                f"must be {least:g} to {most:g}, of pixels in 0..1; divide one of 0..255 by 255 (got {number:g})"
            )
    return given


ChannelNumbers = Annotated[tuple[float, ...], Field(min_length=1, max_length=3), BeforeValidator(_one_for_all_channels)]
"""One number an image channel, or one for all of them."""
ChannelMeans = Annotated[ChannelNumbers, AfterValidator(lambda given: _check_pixels(given, 0.0, 1.0))]
ChannelDeviations = Annotated[ChannelNumbers, AfterValidator(lambda given: _check_pixels(given, 1e-6, 10.0))]
# fmt: off
OWN_NETS = (
    "lenet5", "lenet5bn", "mobilenetv2_metapruning", "resnet8", "resnet20", "resnet56",
    "vgg11_bn_cifar", "vgg16_bn_cifar",
)
# fmt: on
"""What ``student.net`` may name, beside ``given``; ``kdsearch.models.zoo`` makes them."""
GIVEN = "given"
"""What ``student.net`` says where the net is a module passed from Python."""
Precision = Literal["auto", "fp32", "bf16"]
RankedBy = Literal["likelihood", "metric"]
"""What a score compares candidates by, on the validation labels: their likelihood, or the task's headline figure."""


class Section(BaseModel):
    """Options read from YAML: typed, bounded, frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    def idle(self) -> Mapping[str, str]:
        """The options that do nothing beside the others, and why; who wrote one is told so."""
        return {}

    def idle_beside(self, study: StudySpec) -> Mapping[str, str]:  # noqa: ARG002
        """Likewise, what does nothing beside the other sections of the study."""
        return {}

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, given: Any, info: ValidationInfo) -> Any:
        """Refuses ``epochs: true``, which pydantic would read as 1."""
        if isinstance(given, bool) and "bool" not in str(cls.model_fields[str(info.field_name)].annotation):
            raise ValueError(f"must not be true or false (got {str(given).lower()})")
        return given


def require_both(section: Section, one: str, other: str) -> None:
    """Raises ValueError where only one of two options is there that mean something together."""
    missing = [key for key in (one, other) if getattr(section, key) is None]
    if len(missing) == 1:
        raise ValueError(f"{missing[0]} is missing; {one} and {other} go together")


def require_one(section: Section, *keys: str) -> None:
    """Raises ValueError unless exactly one of the options is there."""
    named = [key for key in keys if getattr(section, key) is not None]
    if len(named) != 1:
        raise ValueError(f"needs exactly one of {', '.join(keys)} (got {', '.join(named) or 'none'})")


class WidthOptions(Section):
    """Which widths a channel group may take.

    ``divisor``: widths are multiples of it; auto is 16, or 8 where the full width is below 64. ``scales``: the paper's
    31 scales 0.10, 0.13 .. 1.00, ``fine`` (every multiple of the divisor), or a list of shares. ``fix_last``: the
    features that the classifier reads keep their width, as in the paper. ``tie_bottleneck``: the two inner widths of a
    bottleneck block are one, as in the paper.
    """

    divisor: Literal["auto", 1, 8, 16] = "auto"
    scales: Literal["paper", "fine"] | tuple[Share, ...] = "paper"
    fix_last: bool = False
    tie_bottleneck: bool = False

    @field_validator("scales")
    @classmethod
    def _names_one(cls, scales: str | tuple[float, ...]) -> str | tuple[float, ...]:
        if not scales:
            raise ValueError("must be paper, fine, or a list of one share or more (got [])")
        return scales


class StudentOptions(WidthOptions):
    """The net whose channels are searched: exactly one of ``timm``, ``torchvision`` and ``net`` (one of ours).

    ``width`` multiplies the channels of our own nets. ``stem_stride``: total stride of the stem; 1 fits ImageNet nets
    to 32-pixel images. ``weights``: a local checkpoint to start from (.safetensors, or .pt with tensors only).
    ``pretrained``: start from the weights that timm or torchvision publish, fetched from their hub or its cache; the
    classifier is a fresh one for another number of classes, and a timm name may have a tag (resnet18.a1_in1k).
    ``trained``: a module passed from Python (``net: given``) is trained already, so that nothing pretrains it again.
    ``mean``, ``std``: what its weights were trained with, of pixels in 0..1, one number for all channels or one for
    each; where they are left out, those of the published weights, or else the training images' own.
    """

    timm: str | None = None
    torchvision: str | None = None
    net: str | None = None
    width: float = Field(1.0, gt=0, le=4)
    stem_stride: Literal[1, 2, 4] | None = None
    weights: Path | None = None
    pretrained: bool = False
    trained: bool = False
    mean: ChannelMeans | None = None
    std: ChannelDeviations | None = None

    @model_validator(mode="after")
    def _normalises_by_both(self) -> StudentOptions:
        require_both(self, "mean", "std")
        return self

    @model_validator(mode="after")
    def _one_source(self) -> StudentOptions:
        require_one(self, "timm", "torchvision", "net")
        if self.width != 1.0 and self.net is None:
            raise ValueError("width goes with net only; a timm or torchvision net has its width in its name")
        return self

    @model_validator(mode="after")
    def _starts_from_one_set_of_weights(self) -> StudentOptions:
        if self.pretrained and self.net is not None:
            raise ValueError(f"pretrained goes with timm or torchvision; nobody publishes weights of net: {self.net}")
        if self.pretrained and self.weights is not None:
            raise ValueError("pretrained and weights are two starts; leave one of them out")
        return self

    @model_validator(mode="after")
    def _given_is_taken_as_it_is(self) -> StudentOptions:
        if self.trained and self.net != GIVEN:
            raise ValueError("trained goes with net: given; a checkpoint that weights names is trained already")
        unset = {"width": 1.0, "stem_stride": None, "weights": None}
        changes = [key for key, value in unset.items() if getattr(self, key) != value]
        if self.net == GIVEN and changes:
            raise ValueError(f"{changes[0]} does not go with net: given; change the module before you pass it")
        return self

    @property
    def label(self) -> str:
        """The net's name as a person would say it."""
        return str(self.timm or self.torchvision or self.net)


class Augmentation(Section):
    """Random changes of a training image: ``crop`` shifts it by up to so many pixels (share of the side if below 1).

    ``mixup`` blends it with another image, ``cutmix`` pastes a box of another into it, and the label is shared out with
    the pixels; each is the alpha of the Beta distribution that the share comes from, 0: off.
    """

    crop: float = Field(0.125, ge=0, le=4096)
    flip: bool = True
    cutout: float = Field(0.0, ge=0, lt=1)
    resized_crop: tuple[Share, Share] | None = None
    mixup: float = Field(0.0, ge=0, le=1000)
    cutmix: float = Field(0.0, ge=0, le=1000)

    @field_validator("resized_crop")
    @classmethod
    def _rises(cls, area: tuple[float, float] | None) -> tuple[float, float] | None:
        if area is not None and area[0] > area[1]:
            raise ValueError(f"must be [least, most] (got [{area[0]:g}, {area[1]:g}])")
        return area


class Recipe(Section):
    """How a net is trained. ``learning_rate`` is for the batch size given; it ends at 0 after the last step."""

    epochs: int = Field(10, ge=1, le=1_000_000)
    batch_size: int = Field(64, ge=2, le=1_000_000)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(0.05, gt=0, le=1e6)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0, le=1e6)
    schedule: Literal["linear", "cosine", "step", "constant"] = "cosine"
    warmup_epochs: float = Field(0.0, ge=0, le=1e6)
    milestones: tuple[Share, ...] = (0.5, 0.75)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    clip_norm: float | None = Field(None, gt=0, le=1e9)
    precision: Precision = "auto"
    augment: Augmentation = Augmentation()

    def idle(self) -> Mapping[str, str]:
        found = {}
        if self.optimizer == "adamw":
            found["momentum"] = "optimizer: adamw has averages of its own"
        if self.schedule != "step":
            found["milestones"] = f"schedule: {self.schedule} has none, schedule: step has"
        return found
