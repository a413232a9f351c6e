"""What a study says about its images; no torch here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from kdsearch.spec.sections import Section, require_one
from kdsearch.spec.synthesis_sections import SynthesisOptions

NO_DATA = "none"
"""What ``task.data`` says where there are no images: they are generated from the teacher alone."""


class ImageSource(Section):
    """Images by where they are from."""

    sources: ClassVar[tuple[str, ...]] = ("dataset", "npz", "folder", "torchvision", "timm")

    dataset: Literal["mnist5k"] | None = None
    npz: Path | None = None
    folder: Path | None = None
    torchvision: str | None = None
    timm: str | None = None
    root: Path | None = None
    test_share: float = Field(0.1, gt=0, lt=0.9)
    skip_broken: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> ImageSource:
        require_one(self, *self.sources)
        return self

    @property
    def source(self) -> str:
        """Where the images are from, as the study names it."""
        return next(str(named) for key in self.sources if (named := getattr(self, key)) is not None)

    @property
    def named_paths(self) -> tuple[Path, ...]:
        """The files and folders that are named."""
        return tuple(path for path in (self.npz, self.folder, self.root) if path is not None)

    def are_there(self) -> bool:
        """Whether everything that is named lies on the disk, so that an error is about what it holds."""
        named = self.named_paths
        return all(path.exists() for path in named) and (bool(named) or self.dataset is not None)

    def idle(self) -> Mapping[str, str]:
        found = {}
        if self.torchvision is None and self.timm is None:
            found["root"] = "torchvision and timm data have a root"
        if self.dataset is not None or self.npz is not None:
            found["skip_broken"] = "there are no image files that could be broken"
        return found


class RealImages(ImageSource):
    """Real images that students of generated ones meet once, at the end: the test part of one of these data sets.

    They are cut to the teacher's size and channels. ``test_share``: of data that bring no test part, the share that a
    study of them would hold out, with the same seed the same images.
    """


class TaskOptions(ImageSource):
    """Which images: one of ``dataset`` (mnist5k), ``npz``, ``folder``, ``torchvision``, ``timm``, ``data``, ``bank``.

    ``root``: where torchvision or timm data lie. ``image_size``: side in pixels that images are resized to.
    ``train_images``: use only so many training images, stratified. ``validation_share``: share of the training images
    held out for the search where the data bring no validation part; ``test_share``: likewise for the test part.
    ``skip_broken``: leave out image files that cannot be decoded, counted and named, instead of refusing the data.
    ``class_weights``: how many times an image counts in the loss of a training, by its class: balanced (as much for
    each class in all), or a list in the order of the classes; scaled so that an image counts once on average.

    ``data: none``: there are no images; they are generated from the teacher alone, as ``synthesis`` says, before the
    search. ``bank``: the images that another run generated (its directory, or the folder of the bank). Both have the
    teacher's shape and classes, and its answers as labels. ``test``: real images for them, read once, at the end.
    """

    sources: ClassVar[tuple[str, ...]] = (*ImageSource.sources, "data", "bank")

    image_size: int | None = Field(None, ge=8, le=1024)
    train_images: int | None = Field(None, ge=1, le=1_000_000_000)
    validation_share: float = Field(0.1, gt=0, lt=0.9)
    channels: Literal[1, 3] | None = None
    class_weights: Literal["balanced"] | tuple[Annotated[float, Field(gt=0, le=1e6)], ...] | None = None
    data: Literal["none"] | None = None
    bank: Path | None = None
    synthesis: SynthesisOptions | None = None
    test: RealImages | None = None

    @model_validator(mode="before")
    @classmethod
    def _generates_by_defaults(cls, given: Any) -> Any:
        """What generates the images is written out, as every default of a study is."""
        generates = isinstance(given, Mapping) and given.get("data") == NO_DATA
        return {**given, "synthesis": given.get("synthesis") or {}} if generates else given

    @field_validator("synthesis")
    @classmethod
    def _is_settled(cls, given: SynthesisOptions | None) -> SynthesisOptions | None:
        for name in [] if given is None else given.ranges:
            raise ValueError(f"{name} is a range, and a study's own images are generated once; write a number")
        return given

    @model_validator(mode="after")
    def _generated_images_are_as_they_are(self) -> TaskOptions:
        if misfit := next(self._misfits(), ""):
            raise ValueError(misfit)
        return self

    def _misfits(self) -> Iterator[str]:
        if not self.generated:
            for key in ("synthesis", "test"):
                if getattr(self, key) is not None:
                    yield f"{key} goes with data: none" + (" or bank; data have a test part" * (key == "test"))
            return
        if self.bank is not None and self.synthesis is not None:
            yield "synthesis goes with data: none; a bank's images are there already"
        fixed = ("image_size", "channels", *(("train_images",) if self.bank is None else ()))
        for key in fixed:
            if getattr(self, key) is not None:
                beside = "data: none" if self.bank is None else "bank"
                more = "say synthesis.bank" if key == "train_images" else "images are made as the teacher reads them"
                yield f"{key} does not go with {beside}; {more}"

    @property
    def generated(self) -> bool:
        """Whether the images are generated from a teacher, here or by another run."""
        return self.data is not None or self.bank is not None

    @property
    def named_paths(self) -> tuple[Path, ...]:
        return (*super().named_paths, *((self.bank,) if self.bank is not None else ()))

    def are_there(self) -> bool:
        return self.data is not None or super().are_there()

    def idle(self) -> Mapping[str, str]:
        found = dict(super().idle())
        if self.generated:
            found |= dict.fromkeys(("validation_share", "test_share"), "generated images come in three parts")
            found["skip_broken"] = "there are no image files that could be broken"
        return found
