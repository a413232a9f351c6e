"""What every compression pass offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from kdsearch.spec.sections import Section

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.context import Context


class CompressionPass(ABC):
    """Makes a trained net cheaper after its widths have been chosen; a plug-in imports torch inside its methods."""

    Options: ClassVar[type[Section]] = Section

    def __init__(self, options: Section) -> None:
        self.options = options

    @abstractmethod
    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        """A new net in evaluation mode with the inputs and outputs of ``model``, which stays as it is.

        The same model and context give the same net. ``ctx`` has no test images, and its costs and widths are those of
        nets before any pass: what the new net costs is counted on it.
        """
