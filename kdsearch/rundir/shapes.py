"""JSON files of a run, read as what they must hold: valid JSON of another shape is damage, told in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from kdsearch.errors import StoreError

Seconds = dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
RECORD: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_AGAIN = "delete it and resume"


def read_shaped(path: Path, shape: TypeAdapter[Any], remedy: str = _AGAIN) -> Any:
    """What a JSON file holds, once it has the shape; the caller says of which type that is.

    Raises:
        StoreError: it is missing, no JSON, or holds something else; the message ends with the ``remedy``.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}; {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: cannot be read: {error}; {remedy}") from None
    check_shape(content, shape, path, remedy)
    return content


def check_shape(content: Any, shape: TypeAdapter[Any], path: Path, remedy: str = _AGAIN) -> None:
    """Refuses what is not of the shape.

    Raises:
        StoreError: it is not; the message says at which key, and ends with the ``remedy``.
    """
    try:
        # as JSON: strict reading of Python's own objects would not take a list for a tuple
        shape.validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        said = ": ".join(part for part in (where, first["msg"].lower()) if part)
        raise StoreError(f"{path}: damaged ({said}); {remedy}") from None
