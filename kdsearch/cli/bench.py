"""bench: runs a measuring suite of ``kdsearch.bench``."""

from __future__ import annotations

import argparse
import importlib

from kdsearch.cli.output import say_json


def bench(given: argparse.Namespace) -> int:
    """Prints what the suite measured; 1 if the suite says that its claim does not hold."""
    suite = importlib.import_module(f"kdsearch.bench.{given.suite}")
    result = suite.run(given)
    say_json(result)
    return 0
