"""How the command line is read: argparse, with every mistake told in one line that names what was probably meant."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from kdsearch import __version__
from kdsearch.errors import did_you_mean

ONE_OF = "COMMAND, one of"
"""The metavar of commands: argparse forgets their indent, one longer than any keeps their help in one column."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; argparse would print the usage before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_wide, **options)
        self._words: list[str] = []

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's own; ``command`` of the result is the parser of the command, for what it does not know."""
        given, left = self.parse_known_args(args, namespace)
        if left:
            command: Parser = given.command
            command.error(command.explain_unknown(left))
        return given

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._words = [*(sys.argv[1:] if args is None else args)]
        return super().parse_known_args(args, namespace)

    def explain_unknown(self, words: Sequence[str]) -> str:
        """What is wrong with words that no argument of this command takes."""
        option = next((word for word in words if word.startswith("-")), None)
        if option is None:
            return f"more than it takes: {' '.join(words)}"
        name, known = option.partition("=")[0], [*self._option_string_actions]
        if name in known:
            return f"{name} stands before the command; give it behind"
        return f"unknown option {name}{did_you_mean(name, known)}"

    def _is_unknown(self, word: str) -> bool:
        """Whether it is an option that this command does not have; argparse takes beginnings of long ones, too."""
        name = word.partition("=")[0]
        short = not name.startswith("--") and name[:2] in self._option_string_actions
        return len(name) > 1 and name[0] == "-" and not short and not self._known_beginning(name)

    def _known_beginning(self, name: str) -> bool:
        return any(option.startswith(name) for option in self._option_string_actions)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse's own, and names the nearest choice; Python 3.14 can do that by itself (suggest_on_error)."""
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            hint = did_you_mean(str(value), known) or f"; choose from {', '.join(known)}"
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}{hint}")

    def error(self, message: str) -> NoReturn:
        if message.startswith("the following arguments are required"):
            misspelt = [word for word in self._words if self._is_unknown(word)]
            message = self.explain_unknown(misspelt) if misspelt else message
        message = message.replace(ONE_OF, "COMMAND")
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


class Version(argparse.Action):
    """Prints the version and ends the program."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        sys.stdout.write(f"kdsearch {__version__}\n")
        parser.exit(0)


def _wide(prog: str) -> argparse.HelpFormatter:
    return argparse.HelpFormatter(prog, max_help_position=32, width=110)
