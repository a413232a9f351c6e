"""A task, a net and a context so small that whole strategies run in a blink."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from kdsearch.candidates.space import Candidate, SearchSpace, Window
from kdsearch.context import Context
from kdsearch.data.datasets import Dataset
from kdsearch.data.images import ImageSet
from kdsearch.records import RunPaths
from kdsearch.spec.sections import WidthOptions
from kdsearch.spec.study_spec import load_spec
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.study.control import uniform_gene
from kdsearch.study.planning import Study
from kdsearch.tasks.classification import Classification
from kdsearch.teaching.lessons import Teaching
from kdsearch.teaching.teachers import Teacher
from kdsearch.widths.finding import find_widths
from kdsearch.widths.space import WidthSpace

SHAPE = (1, 8, 8)
CPU = torch.device("cpu")


def bars(count: int, seed: int) -> ImageSet:
    """Noise with a bright bar: upright (class 0), across (1) or none (2)."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(100, (count, *SHAPE), dtype=torch.uint8, generator=generator)
    labels = torch.arange(count) % 3
    images[labels == 0, :, :, 3:5] = 230
    images[labels == 1, :, 3:5, :] = 230
    return ImageSet(images, labels)


def make_task(train: int = 96) -> Classification:
    parts = bars(train, 0), bars(60, 1), bars(60, 2)
    dataset = Dataset("bars", *parts, classes=("|", "-", " "), mean=(0.3,), std=(0.3,), digest="bars")
    return Classification(TaskOptions(dataset="mnist5k"), dataset)


class Toy(nn.Module):
    """Every way that channels go together: plain, depthwise, a shortcut, a concatenation; with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.depthwise = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.BatchNorm2d(8))
        self.point = nn.Sequential(nn.Conv2d(8, 12, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU())
        self.block = nn.Sequential(nn.Conv2d(12, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12))
        self.branch = nn.Sequential(nn.Conv2d(12, 8, 1), nn.ReLU())
        self.last = nn.Sequential(nn.Conv2d(20, 10, 3, stride=2, bias=False), nn.BatchNorm2d(10), nn.ReLU())
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(10, 3)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        features = self.point(self.depthwise(self.stem(image_BCHW)))
        features = torch.relu(features + self.block(features))
        features = self.last(torch.cat([features, self.branch(features)], 1))
        return self.classifier(self.dropout(features.mean((2, 3))))


def make_toy(seed: int = 0, *, trained: bool = False) -> Toy:
    """The net from a seed; ``trained`` shakes what starts at ones and zeros, statistics included."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Toy()
        if trained:
            for name, value in [*net.named_parameters(), *net.named_buffers()]:
                if value.is_floating_point():
                    shaken = value.detach() + 0.3 * torch.rand_like(value)
                    value.data.copy_(shaken.abs() + 0.1 if "var" in name else shaken)
    return net


def toy_widths(net: nn.Module) -> WidthSpace:
    return find_widths(net, SHAPE, WidthOptions(divisor=1, scales=(0.25, 0.5, 0.75, 1.0)))


def bars_teacher() -> Teacher:
    """Knows the bars without having learned: it compares the middle columns and rows with the whole image."""
    net = nn.Sequential(nn.Conv2d(1, 2, 8), nn.Flatten(), nn.Linear(2, 3)).requires_grad_(False)
    masks = torch.full((2, 1, 8, 8), -1 / 64)
    masks[0, 0, :, 3:5] += 1 / 16
    masks[1, 0, 3:5, :] += 1 / 16
    net[0].weight.copy_(masks)
    net[0].bias.zero_()
    net[2].weight.copy_(torch.tensor([[20.0, 0], [0, 20], [0, 0]]))
    net[2].bias.copy_(torch.tensor([0.0, 0, 5]))
    return Teacher(net.eval(), "bars", "0" * 64, (0.0,), (1.0,), ("|", "-", " "), None)


def knowing_net(order: Sequence[int] = (0, 1, 2)) -> nn.Module:
    """Knows the bars as ``bars_teacher`` does and can be trained; its logits come in another order."""
    net = bars_teacher().net.requires_grad_(True)
    with torch.no_grad():
        net[2].weight.copy_(net[2].weight[list(order)])
        net[2].bias.copy_(net[2].bias[list(order)])
    return net


def toy_teaching(folder: Path, mode: str = "auto") -> Teaching:
    return Teaching(bars_teacher(), mode, 3, folder / "answers")


def half(widths: WidthSpace) -> Candidate:
    """A gene with a different share in every group."""
    return Candidate.of({g.name: g.choices[at % (len(g.choices) - 1)] for at, g in enumerate(widths.groups)}, "half")


def toy_context(folder: Path, *, trained: bool = False, share: float = 0.5, train: int = 96) -> Context:
    """A context with one budget: a share of the full net's MACs, and a fifth less."""
    net = make_toy(trained=trained)
    widths = toy_widths(net)
    high = share * widths.costs(widths.full)["macs"]
    windows = (Window("macs", 0.8 * high, high),)
    space = SearchSpace(widths.parameters())
    task = make_task(train).without_test()
    uniform = (uniform_gene(widths, windows),)
    paths = RunPaths(folder)
    return Context(task, net, widths, space, (windows,), uniform, CPU, 0, False, paths, toy_teaching(folder))


def toy_study(folder: Path, *sets: str) -> Study:
    """A study of the toy with the strategies that a shipped study names, shortened; ``sets`` change it."""
    short = ("strategy={name: metapruning, epochs: 2, pretrain_epochs: 1, batch_size: 24, calibration_images: 48}",)
    spec = load_spec(
        "quickstart", (*short, "limits={macs: 50%}", "finish={name: scratch, epochs: 2, batch_size: 24}", *sets)
    )
    strategy, finish = (plugin.find()(plugin.options) for plugin in (spec.strategy, spec.finish))
    return Study(spec, make_task(), toy_context(folder), strategy, finish)
