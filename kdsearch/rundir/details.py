"""What the reading of the images at the end shows beside the headline figure, as summary.json has it of a student."""

from __future__ import annotations

from typing import NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

_OPEN = ConfigDict(extra="allow")  # what tasks add has no fixed shape


@with_config(_OPEN)
class PerClass(TypedDict):
    """Images of each class and the share answered right, or as the teacher does where its answers are the labels."""

    accuracy: NotRequired[list[float | None]]
    agreement: NotRequired[list[float | None]]
    images: list[int]


@with_config(_OPEN)
class DetailsRow(TypedDict):
    """By class, and how often images of each (row) were taken for which (column)."""

    per_class: NotRequired[PerClass]
    confusion: NotRequired[list[list[int]]]


def list_shares(classes: PerClass) -> list[float | None]:
    """The share of right answers of each class, None where it has no images."""
    return classes.get("agreement") or classes.get("accuracy") or []
