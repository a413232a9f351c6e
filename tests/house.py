"""Figures of the house: how large files and functions are, what has a test beside it, which errors say what to do.

``python -m tests.house`` prints them, and what falls short, one a line; ``python -m tests.house modules`` the list of
modules that ends ARCHITECTURE.md.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kdsearch import errors

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "kdsearch"
_LEAST_STATEMENTS = 4  # a module of an import, a docstring and one definition is proved where it is used
_LONG = 25
_IMPERATIVES = (
    "add|ask|change|check|choose|correct|delete|do|draw|drop|export|free|give|install|keep|launch|leave|let|load|lower|make"
    "|mend|move|name|normalise|pass|put|quote|raise|read|remove|resume|save|say|search|set|settle|take|tap|train|undo|unfreeze"
    "|use|wait|widen|write"
)
_ADVICE = re.compile(
    rf"(^|[;:,(}}] ?|\b(?:or|and|else|first) )({_IMPERATIVES})\b"
    r"|\b(must|needs?|may be|at least|at most|allowed|known|meant|or more|goes? with|go together|exactly)\b"
    r"|\b(kdsearch|pip) [a-z]+\b"
    r"|remedy|advice|ADVICE|unknown\(|did_you_mean|say_command",
)


@dataclass(frozen=True, slots=True)
class Function:
    """A function's place, and its lines without those of its docstring."""

    place: str
    lines: int


@dataclass(frozen=True, slots=True)
class Raised:
    """Where a user's mistake is answered, and the text of the answer; expressions stand in braces."""

    place: str
    text: str


@cache
def trees() -> dict[Path, ast.Module]:
    """Every file of the package but those that hold a docstring only."""
    paths = (path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py")
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def file_lines() -> list[int]:
    return sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in trees())


def functions() -> list[Function]:
    found = [
        Function(f"{_name(path)}:{node.lineno} {node.name}", _lines(node))
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]
    return sorted(found, key=lambda function: function.lines)


def unmirrored() -> tuple[list[str], int]:
    """The modules kdsearch/a/b.py without a tests/a/test_b.py, and how many modules there are to mirror."""
    wanted = [path for path, tree in trees().items() if len(tree.body) >= _LEAST_STATEMENTS]
    tests = ROOT / "tests"
    missing = [
        _name(path) for path in wanted if not (tests / path.relative_to(PACKAGE).parent / f"test_{path.name}").exists()
    ]
    return missing, len(wanted)


def raised() -> list[Raised]:
    """Every error of ours that is raised with a message, and the ValueErrors of options, which become SpecErrors."""
    return [
        Raised(f"{_name(path)}:{node.lineno}", _text(node.exc.args[0]))
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args
        if _is_ours(ast.unparse(node.exc.func), path)
    ]


def says_what_to_do(found: Raised) -> bool:
    """Whether a message says what is allowed or what to do next, by the words that say so.

    An imperative counts at the start of a clause only ("cannot be read" is none), a bound or a list of what is known
    anywhere; a message that is only passed on (nothing but an expression) counts by what makes it.
    """
    return re.fullmatch(r"\{[^{}]*\}", found.text) is not None or _ADVICE.search(found.text) is not None


def list_modules() -> list[str]:
    """Every module with the first line of its docstring, folder by folder, as Markdown."""
    lines: list[str] = []
    for path, tree in sorted(trees().items(), key=lambda item: (item[0].parent != PACKAGE, item[0])):
        folder = path.parent.relative_to(ROOT).as_posix()
        if f"**{folder}/**" not in lines:
            lines += ["", f"**{folder}/**", ""]
        about = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ")
        lines.append(f"* `{path.name}`: {about}")
    return lines[1:]


def share(values: Sequence[int], part: float) -> int:
    """The value that this part of the sorted values lies below."""
    return values[int(part * (len(values) - 1))]


def _is_ours(kind: str, path: Path) -> bool:
    if kind == "ValueError":
        return _name(path).startswith("spec/")
    return issubclass(getattr(errors, kind, Exception), errors.KdsearchError)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return f"{{{ast.unparse(node.value)}}}"
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return f"{{{ast.unparse(node)}}}"


def _lines(node: ast.FunctionDef) -> int:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is None:
        return lines
    first = node.body[0]
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1)


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _report() -> Iterator[str]:
    files, found = file_lines(), functions()
    lines = [function.lines for function in found]
    yield f"files: {len(files)}, lines: median {share(files, 0.5)}, p95 {share(files, 0.95)}, most {files[-1]}"
    long = [function for function in found if function.lines > _LONG]
    middle, most = share(lines, 0.5), share(lines, 0.95)
    yield f"functions: {len(found)}, lines: median {middle}, p95 {most}, over {_LONG}: {len(long)}"
    missing, wanted = unmirrored()
    yield f"modules with a test of their own: {wanted - len(missing)} of {wanted} ({1 - len(missing) / wanted:.1%})"
    messages = raised()
    silent = [each for each in messages if not says_what_to_do(each)]
    answered = len(messages) - len(silent)
    yield f"errors that say what to do: {answered} of {len(messages)} ({answered / len(messages):.1%})"
    yield from (f"  long: {function.place}: {function.lines}" for function in long)
    yield from (f"  no test: {name}" for name in missing)
    yield from (f"  no remedy: {each.place}: {each.text}" for each in silent)


if __name__ == "__main__":
    for line in list_modules() if "modules" in sys.argv[1:] else _report():
        print(line)  # noqa: T201
