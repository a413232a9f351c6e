"""What a PruningNet step costs against a plain step of the same net at the same widths."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.candidates.space import Candidate
from kdsearch.cost.threads import torch_threads
from kdsearch.losses.pointwise import cross_entropy
from kdsearch.measures.layout import sliced_strides
from kdsearch.models.zoo import make_net
from kdsearch.pruningnet.crop_descent import Descent
from kdsearch.pruningnet.generators import Generator
from kdsearch.pruningnet.making import make_generator
from kdsearch.pruningnet.supernet import Supernet
from kdsearch.spec.sections import Recipe, StudentOptions
from kdsearch.training.optim import make_optimizer
from kdsearch.widths.finding import find_widths
from kdsearch.widths.space import WidthSpace

RECIPE = Recipe(learning_rate=0.01)
"""Of both steps: the same momentum and weight decay, and the plain one with the optimiser that our trainings use."""

GENERATORS = ("slim", "condnorm", "condscale", "lowrank", "paper")


@dataclass(frozen=True, slots=True)
class Case:
    """A net at one input size, batch and uniform scale.

    ``targets``: the ratio allowed to the default and to the paper generator.
    """

    label: str
    student: StudentOptions
    image: int
    batch: int
    scale: float
    targets: tuple[float, float]
    hidden: int  # how many numbers the paper's generator codes a layer of this net in


def cases() -> tuple[Case, ...]:
    """The nets of the paper at the scales where the official code is 2.9 to 8.2 times slower than a plain step."""
    mobile = StudentOptions(net="mobilenetv2_metapruning", divisor=1)
    resnet = StudentOptions(timm="resnet50", divisor=1, tie_bottleneck=True, fix_last=True)
    return (
        Case("mobilenetv2 x1.4", mobile, 64, 32, 0.55, (1.10, 2.0), 64),
        Case("mobilenetv2 x1.4", mobile, 64, 32, 0.25, (1.20, 3.0), 64),
        Case("resnet50", resnet, 64, 8, 0.55, (1.15, 4.0), 32),
    )


def run(
    *,
    generators: Sequence[str] = GENERATORS,
    repeats: int = 15,
    chosen: Sequence[Case] | None = None,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """``cases``: for each net, scale and generator the median milliseconds of both steps and the median ratio.

    Both steps follow ``RECIPE`` and take turns on one thread; times are the thread's processor time on a CPU, wall
    time with synchronisation on an accelerator. The ratio is the median over the turns.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = []
    with torch_threads(1):
        for case in cases() if chosen is None else chosen:
            net, widths = _net_of(case, device)
            for name in generators:
                row = _measure(case, net, widths, name, repeats)
                rows.append(row)
                if on_row is not None:
                    on_row(row)
                gc.collect()
    optimizer = RECIPE.model_dump(include={"optimizer", "learning_rate", "momentum", "weight_decay"})
    return {"suite": "step", "device": str(device), "recipe": optimizer, "cases": rows}


def _net_of(case: Case, device: torch.device) -> tuple[nn.Module, WidthSpace]:
    net = make_net(case.student, num_classes=1000, in_channels=3, seed=0).to(device)
    return net, find_widths(net, (3, case.image, case.image), case.student)


def _measure(case: Case, net: nn.Module, widths: WidthSpace, name: str, repeats: int) -> dict[str, Any]:
    device = next(net.parameters()).device
    random = torch.Generator().manual_seed(0)
    image_BCHW = torch.randn(case.batch, 3, case.image, case.image, generator=random).to(device)
    label_B = torch.randint(1000, (case.batch,), generator=random).to(device)
    gene = widths.uniform(case.scale)
    generator = make_generator(name, net, widths, hidden=case.hidden if name == "paper" else None)
    plain = _plain_step(widths.build(gene), image_BCHW, label_B)
    generated = _generated_step(net, widths, generator, gene, image_BCHW, label_B)
    times = [(_time(plain, device), _time(generated, device)) for _ in range(repeats + 3)][3:]
    ratio = statistics.median(made / bare for bare, made in times)
    target = case.targets[1] if name == "paper" else case.targets[0]
    return {
        "net": case.label,
        "image": case.image,
        "batch": case.batch,
        "scale": case.scale,
        "generator": name,
        "plain_ms": round(statistics.median(bare for bare, _ in times), 2),
        "pruningnet_ms": round(statistics.median(made for _, made in times), 2),
        "ratio": round(ratio, 3),
        "target": target,
    }


def _plain_step(net: nn.Module, image_BCHW: Tensor, label_B: Tensor) -> Callable[[], None]:
    net.train().to(memory_format=torch.channels_last)
    optimizer = make_optimizer(RECIPE, net)

    def step() -> None:
        optimizer.zero_grad()
        with sliced_strides(net):
            with _autocast(image_BCHW):
                logits_BC = net(image_BCHW)
            cross_entropy(logits_BC, label_B, 0.0).backward()
        optimizer.step()

    return step


def _generated_step(
    net: nn.Module, widths: WidthSpace, generator: Generator, gene: Candidate, image_BCHW: Tensor, label_B: Tensor
) -> Callable[[], None]:
    net.train()
    supernet = Supernet(net, widths, generator, distill=False)
    descent = Descent(RECIPE.learning_rate, RECIPE.momentum, RECIPE.weight_decay)

    def step() -> None:
        supernet.step(image_BCHW, label_B, [gene], descent, 0.0)

    return step


def _autocast(image_BCHW: Tensor) -> torch.autocast:
    return torch.autocast(image_BCHW.device.type, torch.bfloat16, enabled=image_BCHW.is_cuda)


def _time(step: Callable[[], None], device: torch.device) -> float:
    """Milliseconds of one step."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        started = time.perf_counter()
        step()
        torch.cuda.synchronize()
        return 1e3 * (time.perf_counter() - started)
    started = time.thread_time()
    step()
    return 1e3 * (time.thread_time() - started)
