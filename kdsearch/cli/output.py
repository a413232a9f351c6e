"""What commands say: results on standard output, remarks on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from kdsearch.errors import printable


def say(text: str) -> None:
    """Writes lines of the result."""
    sys.stdout.write(f"{printable(text)}\n")


def say_json(result: Mapping[str, Any]) -> None:
    """Writes the result as one JSON object."""
    sys.stdout.write(json.dumps(result, indent=1, default=str) + "\n")


def remark(text: str) -> None:
    """Writes a line that is not part of the result."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()
