"""How long a net takes on one image, compared fairly: all nets in one run, taking turns."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from kdsearch.cost.deployed import Deployed, freeze_trace
from kdsearch.cost.fusing import fuse_blocks
from kdsearch.cost.machine import describe_machine
from kdsearch.cost.threads import torch_threads

Runnable = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds for one call at batch 1 over ``runs`` calls.

    ``wall_ms`` and ``thread_ms`` are medians, of elapsed time and of the calling thread's processor time. Where wall
    exceeds thread by much with one thread, the machine was busy and the thread time is the one to trust.
    """

    wall_ms: float
    wall_p10_ms: float
    wall_p90_ms: float
    thread_ms: float
    runs: int


def measure_latency(
    nets: Mapping[str, Runnable], example_BCHW: Tensor, *, runs: int = 50, warmup: int = 10, seed: int = 0
) -> dict[str, Latency]:
    """The latency of each net on ``example_BCHW`` at one thread.

    The nets are called in turn, in a new random order each round, so that a slow spell of the machine, or the caches
    that a neighbour leaves, touch all alike.

    Raises:
        ValueError: fewer than one round, or no net.
    """
    if runs < 1 or not nets:
        raise ValueError(f"needs a net and at least one run, got {len(nets)} nets and {runs} runs")
    names = list(nets)
    rng = np.random.default_rng(seed)
    wall_ms = np.zeros((len(names), runs))
    thread_ms = np.zeros_like(wall_ms)
    with _single_thread(), torch.inference_mode():
        for round_ in range(-warmup, runs):
            for index in rng.permutation(len(names)):
                wall_s, thread_s = _time_call(nets[names[index]], example_BCHW)
                if round_ >= 0:
                    wall_ms[index, round_], thread_ms[index, round_] = 1e3 * wall_s, 1e3 * thread_s
    return {name: _summarise(wall_ms[index], thread_ms[index]) for index, name in enumerate(names)}


def compare_latency(
    nets: Mapping[str, Deployed], image_shape: Sequence[int], *, runs: int = 50
) -> dict[str, dict[str, object]]:
    """For each net its latency ``eager`` and ``frozen`` (traced and frozen TorchScript), with machine and threads.

    Every net is measured as it is exported, its blocks fused and the normalisation inside, and all of them in one
    interleaved run.
    ``image_shape``: channels, height, width.
    """
    example_BCHW = torch.rand(1, *image_shape, generator=torch.Generator().manual_seed(0))
    runnables: dict[str, Runnable] = {}
    for name, net in nets.items():
        deployed, _ = fuse_blocks(net, example_BCHW)
        runnables[f"{name}/eager"] = deployed
        runnables[f"{name}/frozen"] = freeze_trace(deployed, example_BCHW)
    measured = measure_latency(runnables, example_BCHW, runs=runs)
    shared = {"batch": 1, "threads": 1, "torch": str(torch.__version__), "machine": describe_machine()}
    return {name: {form: asdict(measured[f"{name}/{form}"]) for form in ("eager", "frozen")} | shared for name in nets}


def _time_call(net: Runnable, example_BCHW: Tensor) -> tuple[float, float]:
    wall_s, thread_s = time.perf_counter(), time.thread_time()
    net(example_BCHW)
    return time.perf_counter() - wall_s, time.thread_time() - thread_s


def _summarise(wall_ms: np.ndarray, thread_ms: np.ndarray) -> Latency:
    low, middle, high = (float(value) for value in np.percentile(wall_ms, (10, 50, 90)))
    return Latency(middle, low, high, float(np.median(thread_ms)), len(wall_ms))


@contextmanager
def _single_thread() -> Iterator[None]:
    """One torch thread and no garbage collection while a clock runs."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        with torch_threads(1):
            yield
    finally:
        if collecting:
            gc.enable()
