"""Runs exported files in a new process that has their runtime and nothing of this package."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kdsearch.errors import ExportError

# What an application does not have: importing one of these in the new process fails.
ABSENT = ("kdsearch", "timm", "torchvision", "optuna")

_PROGRAM = """
import json, sys
job = json.loads(sys.argv[1])
for name in job["absent"]:
    sys.modules[name] = None
pixels = open(job["pixels"], "rb").read()
for file in job["files"]:
    names = {}
    exec(file["runtime"], names)
    logits, shape = names["run"](file["path"], pixels, job["shape"])
    with open(file["logits"], "wb") as out:
        out.write(logits)
    with open(file["logits"] + ".shape", "w") as out:
        json.dump([int(size) for size in shape], out)
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A file and the source of the function ``run(path, pixels, shape)`` that runs it on raw float32 images."""

    path: Path
    runtime: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a file made of the images: logits in a row, and the shape that it gave them."""

    logits: array[float]
    shape: tuple[int, ...]


def run_fresh(jobs: Sequence[Job], pixels: bytes, shape: Sequence[int], *, limit_s: float = 600) -> list[Answer]:
    """The float32 logits of each file and their shape, from one new process started with ``python -I``.

    Raises:
        ExportError: the process failed, was killed or took more than ``limit_s`` seconds; the message ends with its
            last words.
    """
    with tempfile.TemporaryDirectory(prefix="kdsearch-") as scratch:
        images = Path(scratch, "pixels")
        images.write_bytes(pixels)
        outputs = [Path(scratch, f"logits-{index}") for index in range(len(jobs))]
        files = [
            {"path": str(job.path.resolve()), "runtime": job.runtime, "logits": str(output)}
            for job, output in zip(jobs, outputs, strict=True)
        ]
        job = {"absent": ABSENT, "pixels": str(images), "shape": list(shape), "files": files}
        _run(json.dumps(job), names=", ".join(job.path.name for job in jobs), cwd=scratch, limit_s=limit_s)
        return [_read_answer(output) for output in outputs]


def _run(job: str, *, names: str, cwd: str, limit_s: float) -> None:
    command = [sys.executable, "-I", "-W", "ignore", "-c", _PROGRAM, job]
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        raise ExportError(
            f"{names}: no answer from a fresh process within {limit_s:g} s; the file is refused; make the net "
            "smaller, or free the machine"
        ) from None
    if done.returncode:
        words = done.stderr.strip().splitlines()
        last = words[-1].strip() if words else f"ended with status {done.returncode}"
        raise ExportError(f"{names}: cannot be run in a fresh process without kdsearch: {last}; leave this format out")


def _read_answer(path: Path) -> Answer:
    values = array("f")
    values.frombytes(path.read_bytes())
    return Answer(values, tuple(json.loads(Path(f"{path}.shape").read_text(encoding="utf-8"))))
