"""Who may import whom: data flows one way, plug-ins do not know each other, options are read without torch."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "kdsearch"
LAYERS = (
    ("errors", "progress", "files", "memory", "quoting", "registry", "costs"),  # what everything may use
    ("spec.*",),  # YAML -> StudySpec, cards; no torch
    ("candidates.*",),  # candidates, windows of costs; no torch
    ("records", "weights"),
    ("tracing.*",),  # which channels of a net belong together
    ("cost.*",),  # MACs in closed form, measured latency
    ("widths.*",),  # width spaces, crops, builds
    ("models.*",),  # the zoo
    ("data.*", "losses.*", "measures.*"),
    ("tasks.*",),
    ("training.*",),
    ("pruningnet.*", "teaching.*"),  # weight generators; a card -> a frozen net, how a student learns from it
    ("datafree.*",),  # learning from a teacher alone
    ("context",),  # what a strategy may see
    ("searchers.*", "pruners.*", "strategies.*", "compress.*", "exporters.*", "executors.*"),  # the plug-ins
    ("rundir.*",),
    ("report.*",),
    ("study.*",),  # the orchestration
    ("bench.*",),
    ("cli.*", "commands"),
)
PLUGINS = ("tasks", "searchers", "pruners", "strategies", "compress", "exporters", "executors")


@cache
def modules() -> dict[str, Path]:
    """Every module below kdsearch by its dotted name, packages by the name of their folder."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


@cache
def imports(name: str, *, typing: bool = True) -> frozenset[str]:
    """The modules of kdsearch that a module imports anywhere; ``typing``: those for annotations only, too."""
    tree = ast.parse(modules()[name].read_text(encoding="utf-8"))
    return frozenset(_resolve(imported) for node in _nodes(tree, typing) for imported in _named(node))


def _nodes(tree: ast.AST, typing: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not typing and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _nodes(node, typing)


def _named(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "kdsearch":
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name.split(".")[0] == "kdsearch"]
    return []


def _resolve(imported: str) -> str:
    """The module that ``kdsearch.a.b`` or ``kdsearch.a.b.name`` lies in."""
    name = imported.removeprefix("kdsearch").lstrip(".")
    return name if name in modules() else name.rpartition(".")[0]


def layer(name: str) -> int:
    found = [at for at, patterns in enumerate(LAYERS) for pattern in patterns if fnmatch(name, pattern)]
    assert len(found) == 1, f"{name} must have one place in LAYERS, it has {len(found)}"
    return found[0]


def members() -> list[str]:
    packages = {name for name, path in modules().items() if path.name == "__init__.py"}
    return sorted(modules().keys() - packages)


@pytest.mark.parametrize("name", members())
def test_imports_only_point_up_the_list(name):
    down = {other for other in imports(name) if other and layer(other) > layer(name)}
    assert not down, f"{name} imports {', '.join(sorted(down))} from below it"


def test_no_module_imports_itself_round_a_corner():
    graph = {name: imports(name, typing=False) - {""} for name in members()}
    assert tuple(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("name", [name for name in members() if name.split(".")[0] in PLUGINS])
def test_a_plug_in_imports_only_base_of_its_own_folder_and_no_other_plug_in(name):
    own = name.split(".")[0]
    others = {other for other in imports(name) if other.split(".")[0] in PLUGINS}
    assert all(other.startswith(f"{own}.base") for other in others)


@pytest.mark.parametrize("name", [name for name in members() if name.startswith("bench.")])
def test_a_bench_suite_stands_alone_but_for_base_of_its_folder(name):
    assert all(other.startswith("bench.base") for other in imports(name) if other.startswith("bench."))


def test_nothing_imports_commands():
    assert [name for name in members() if "commands" in imports(name)] == []


def test_packages_hold_a_docstring_and_nothing_else():
    for name, path in modules().items():
        if path.name == "__init__.py" and name:
            (only,) = ast.parse(path.read_text(encoding="utf-8")).body
            assert isinstance(only, ast.Expr), path


def test_the_public_names_are_there():
    import kdsearch

    assert set(kdsearch.__all__) <= set(dir(kdsearch))
    assert all(getattr(kdsearch, name) is not None for name in kdsearch.__all__)


@pytest.mark.timeout(30)
def test_reading_and_validating_studies_never_imports_torch():
    program = """
import sys
from kdsearch import commands, registry
from kdsearch.spec import study_spec as spec
from kdsearch.spec.sources import shipped_studies
from kdsearch.spec.teacher_card import read_card, shipped_cards
assert all(read_card(name).name for name in shipped_cards())
for name in shipped_studies():
    spec.loads(spec.dumps(spec.load_spec(name)))
assert commands.run(["validate", "metapruning.yaml"]) == 0
for kind in ("searchers", "strategies", "exporters", "executors", "compress"):
    for name in registry.available(f"kdsearch.{kind}"):
        registry.find(f"kdsearch.{kind}", name)
heavy = {"torch", "timm", "torchvision", "optuna", "sqlalchemy"} & set(sys.modules)
assert not heavy, heavy
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
