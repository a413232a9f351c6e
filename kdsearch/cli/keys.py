"""keys: what a study may say, section by section."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from kdsearch.cli.output import say, say_json
from kdsearch.spec.reference import list_entries, write_reference


def keys(given: argparse.Namespace) -> int:
    """Prints every key of a study, or of one of its sections, with its default and what it may be."""
    if given.json:
        say_json({"sections": [asdict(entry) for entry in list_entries(given.section)]})
    else:
        say(write_reference(given.section).rstrip())
    return 0
