"""What an exported student says of image files, from the file and its manifest alone.

C: classes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from kdsearch.data.cutting import BROKEN, SUFFIXES, cut_image
from kdsearch.errors import DataError, ExportError
from kdsearch.exporters.base_file import load_file
from kdsearch.exporters.base_manifest import LOGITS
from kdsearch.files import reason
from kdsearch.spec.exported_file import describe_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Prediction:
    """Of one image: the classes with their probabilities, the most probable first."""

    path: Path
    ranked: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Predictor:
    """An exported student, loaded. ``image_shape``: channels, height, width."""

    run: Callable[[Tensor], Tensor]
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]

    def predict(self, path: Path) -> Prediction:
        """What it says of an image file.

        Raises:
            DataError: that is no image that can be decoded; the message names it.
        """
        import torch

        channels, *size = self.image_shape
        try:
            with Image.open(path) as image:
                pixels = cut_image(image, channels, (size[0], size[1]))
        except UnidentifiedImageError:  # whose message names the file once more
            raise DataError(f"{path}: is no image that Pillow knows") from None
        except OSError as error:
            raise DataError(f"{path}: {reason(error)}") from None
        except BROKEN as error:
            raise DataError(f"{path}: cannot be decoded ({error})") from None
        with torch.no_grad():
            chance_C = self.run(torch.from_numpy(pixels.copy())[None].float() / 255).softmax(1)[0].tolist()
        ranked = sorted(zip(self.classes, chance_C, strict=True), key=lambda pair: -pair[1])
        return Prediction(path, tuple(ranked))


def load_predictor(path: Path) -> Predictor:
    """The student in an exported file.

    Raises:
        SpecError: it is not there, or no exported file.
        ExportError: it is damaged, or says something else than which class an image is of.
    """
    about = describe_file(path)
    try:
        form, classes, shape = str(about["format"]), tuple(map(str, about["classes"])), about["input"]["shape"]
        meaning, (_, channels, height, width) = about["output"]["meaning"], map(int, shape)
    except (LookupError, TypeError, ValueError):
        raise ExportError(f"{path}: its manifest is damaged; export the student again") from None
    if meaning != LOGITS:
        raise ExportError(f"{path}: its outputs are {meaning}, not classes; docs/predict.md shows how to run it")
    return Predictor(load_file(path, form), classes, (channels, height, width))


def find_images(given: Path) -> list[Path]:
    """The file as it was given; of a folder those below it that are images by their names, sorted."""
    if not given.is_dir():
        return [given]
    found = (Path(place, name) for place, _, names in os.walk(given, followlinks=True) for name in names)
    return sorted(each for each in found if each.suffix.lower() in SUFFIXES and not each.name.startswith("."))
