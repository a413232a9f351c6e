"""The command line: ``kdsearch COMMAND``; what a command needs is imported when it is called.

Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 stopped by a limit with a usable result; 130 and 143
stopped by SIGINT and SIGTERM.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from kdsearch.cli.grammar import make_parser
from kdsearch.cli.stopping import Terminated, hear_stops
from kdsearch.errors import KdsearchError, printable
from kdsearch.quoting import say_command


class _Plain(logging.Formatter):
    """Log messages name what data name."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and exits with its code."""
    hear_stops()
    try:
        code = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever read the output has gone; without this Python complains once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the command; what a user did wrong is said in a line on standard error."""
    given = make_parser().parse_args(arguments)
    level = logging.INFO if given.verbose else logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain("%(levelname)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    module, _, function = str(given.call).partition(":")
    try:
        return int(getattr(importlib.import_module(module), function)(given))
    except KdsearchError as error:
        sys.stderr.write(f"{printable(str(error))}\n")
        if given.json:
            from kdsearch.cli.output import say_json

            say_json({"error": str(error)})
        return error.exit_code
    except KeyboardInterrupt as stop:
        by, code = ("SIGTERM", 143) if isinstance(stop, Terminated) else ("Ctrl-C", 130)
        hint = f"; go on with: {say_command('resume', stop.args[0])}" if stop.args else ""
        sys.stderr.write(f"stopped by {by}{hint}\n")
        return code
