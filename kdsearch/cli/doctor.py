"""doctor: what this installation has, what it lacks, and how to get it."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from kdsearch import __version__
from kdsearch.cli.output import say, say_json

_REQUIRED = (
    "kdsearch",
    "torch",
    "torchvision",
    "timm",
    "optuna",
    "numpy",
    "pydantic",
    "pyyaml",
    "rich",
    "safetensors",
    "pillow",
    "mlxtend",
)
_EXTRAS = {
    "ray": ("ray",),
    "executorch": ("executorch", "torchao"),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "dashboard": ("optuna-dashboard", "plotly"),
    "bench": ("torchdistill",),
}


def doctor(given: argparse.Namespace) -> int:
    """Says what is here; 1 if something that kdsearch needs is missing or does not load."""
    found = examine()
    if given.json:
        say_json(found)
    else:
        for line in _lines(found):
            say(line)
    return 0 if not found["problems"] else 1


def examine() -> dict[str, Any]:
    """Versions, machine, memory and disk (bytes), optional parts, and problems with their remedy."""
    from kdsearch.cost.machine import describe_machine
    from kdsearch.files import cache_dir

    packages = {name: _version(name) for name in _REQUIRED}
    cache = cache_dir()
    return {
        "machine": describe_machine(),
        "memory_bytes": _memory(),
        "packages": packages,
        "extras": {extra: {name: _version(name) for name in names} for extra, names in _EXTRAS.items()},
        "torch": _torch() if packages["torch"] else {},
        "threads": {key: os.environ.get(key) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")},
        "here": {"path": str(Path.cwd()), "free_bytes": _free(Path.cwd())},
        "cache": {"path": str(cache), "free_bytes": _free(cache), "set_by": "KDSEARCH_CACHE"},
        "problems": [f"{name} is missing: pip install {name}" for name, version in packages.items() if not version]
        + _load_problems(),
    }


def _version(name: str) -> str | None:
    if name == "kdsearch":
        return __version__
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _free(path: Path) -> int:
    """Free bytes of the disk that ``path`` is on, or will be on."""
    there = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    return shutil.disk_usage(there).free


def _torch() -> dict[str, Any]:
    import torch

    cuda = torch.cuda.is_available()
    devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())] if cuda else []
    return {"threads": torch.get_num_threads(), "cuda": torch.version.cuda, "devices": devices}


def _load_problems() -> list[str]:
    """A line if torchvision was built for another torch and so cannot be loaded, as some installations have it."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError) as error:
        return [f"torchvision does not load ({error}): install torch and torchvision from one index"]
    return []


def _lines(found: Mapping[str, Any]) -> list[str]:
    machine, torch, threads = found["machine"], found["torch"], found["threads"]["OMP_NUM_THREADS"]
    lines = [
        f"machine      {machine['cpu']}, {machine['cores']} cores, {_gib(found['memory_bytes'])}, {machine['system']}",
        f"python       {machine['python']}",
        *(f"{name:<12} {version or 'MISSING'}" for name, version in found["packages"].items()),
        f"threads      {torch.get('threads', '?')} in torch; OMP_NUM_THREADS {threads or 'not set'}",
        f"devices      {', '.join(torch.get('devices', [])) or 'CPU only'}",
        f"here         {found['here']['path']} ({_gib(found['here']['free_bytes'])} free)",
        f"cache        {found['cache']['path']} ({_gib(found['cache']['free_bytes'])} free; KDSEARCH_CACHE moves it)",
    ]
    for extra, packages in found["extras"].items():
        has = all(packages.values())
        said = ", ".join(f"{name} {version}" for name, version in packages.items())
        lines.append(
            f"{extra:<12} {said}" if has else f"{extra:<12} not installed: in the checkout, pip install -e '.[{extra}]'"
        )
    return (
        lines
        + [f"PROBLEM      {problem}" for problem in found["problems"]]
        + ([] if found["problems"] else ["all is well"])
    )


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f} GiB"
