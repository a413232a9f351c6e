"""Nets of equal cost, each trained alone on a small hard task: the order that a proxy has to find.

S: seeds, N: nets.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from kdsearch.bench.base_agreement import Numbers
from kdsearch.candidates.repair import repair
from kdsearch.candidates.space import Candidate, SearchSpace, Window, Windows
from kdsearch.data.datasets import channel_statistics, load_dataset
from kdsearch.data.images import ImageSet
from kdsearch.files import cache_dir
from kdsearch.models.zoo import make_net
from kdsearch.spec.sections import Augmentation, Recipe, StudentOptions
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.tasks.classification import Classification
from kdsearch.training.initialise import initialise
from kdsearch.training.loop import Setting
from kdsearch.training.net import train_net
from kdsearch.widths.finding import find_widths
from kdsearch.widths.space import WidthSpace

_STUDENT = StudentOptions(net="vgg11_bn_cifar", width=0.25, divisor=1)
# 24 epochs without warm-up left the deviation of seeds (0.0078) above that of the nets' means (0.0061)
_RECIPE = Recipe(epochs=40, batch_size=64, warmup_epochs=3, augment=Augmentation(crop=0.2, flip=False))
_BAND = 0.03  # how far the genes' costs may be from the budget, as a share of it


@dataclass(frozen=True, slots=True)
class Setup:
    """The task and the nets: what makes a ground truth.

    mnist5k with few training images (``train_images``), ``noise`` (standard deviation of what is added to every pixel,
    0..255) and shifts, so that the shape of a net matters; 3,500 images validate, so that a difference of half a point
    is seen. The net: a quarter-width VGG-11, eight groups, at a tenth of its MACs (``share``), where a misplaced
    bottleneck costs points. Scores and ground truth are read from the same validation images.
    """

    student: StudentOptions = _STUDENT
    train_images: int = 1000
    validation_share: float = 0.7
    noise: float = 60.0
    share: float = 0.1
    genes: int = 16
    seeds: int = 3
    recipe: Recipe = _RECIPE


@dataclass(frozen=True, slots=True)
class World:
    """A set-up's task, full net, widths, and the genes to be ordered, all at one budget."""

    setup: Setup
    task: Classification
    net: nn.Module
    widths: WidthSpace
    space: SearchSpace
    windows: Windows
    genes: tuple[Candidate, ...]
    device: torch.device


@lru_cache(maxsize=1)
def make_world(setup: Setup) -> World:
    """The world of a set-up; the same in every process."""
    options = TaskOptions(
        dataset="mnist5k",
        image_size=32,
        train_images=setup.train_images,
        validation_share=setup.validation_share,
        test_share=0.1,
    )
    dataset = load_dataset(options, cache_dir=cache_dir())
    train, validation = (_noisy(part, setup.noise, at) for at, part in enumerate((dataset.train, dataset.validation)))
    mean, std = channel_statistics(train.images_NCHW)
    task = Classification(options, replace(dataset, train=train, validation=validation, mean=mean, std=std))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = make_net(setup.student, num_classes=10, in_channels=1, image_size=32).to(device)
    widths = find_widths(net, task.image_shape, setup.student)
    space = SearchSpace(widths.parameters())
    budget = setup.share * widths.costs(widths.full)["macs"]
    windows = (Window("macs", (1 - _BAND) * budget, (1 + _BAND) * budget),)
    genes = _draw_genes(space, widths, windows, setup.genes)
    return World(setup, task, net, widths, space, windows, genes, device)


def train_alone(world: World, gene: Candidate, seed: int) -> float:
    """Accuracy (0..1, validation part) of the gene's net after training from scratch."""
    model = world.widths.build(gene)
    initialise(model, seed)
    train_net(model, world.task, world.setup.recipe, Setting(seed, world.device))
    return world.task.evaluate(model, "validation", device=world.device, batch_size=64)[world.task.metric.name]


def train_all(setup: Setup, *, processes: int = 1, told: Callable[[int, int], None]) -> tuple[Numbers, float]:
    """Accuracies (S, N) of every gene with every seed, and the processor seconds they took.

    ``told`` hears how many trainings are done, of how many.
    """
    jobs = [(setup, number, seed) for number in range(setup.genes) for seed in range(setup.seeds)]
    accuracy_SN = np.zeros((setup.seeds, setup.genes))
    seconds = 0.0
    context = multiprocessing.get_context("spawn")  # fork deadlocks once torch has started its threads
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for done, future in enumerate(as_completed(pool.submit(_train_one, *job) for job in jobs)):
            number, seed, accuracy, took = future.result()
            accuracy_SN[seed, number] = accuracy
            seconds += took
            told(done + 1, len(jobs))
    return accuracy_SN, seconds


def _train_one(setup: Setup, number: int, seed: int) -> tuple[int, int, float, float]:
    torch.set_num_threads(1)
    world = make_world(setup)
    began = time.process_time()
    accuracy = train_alone(world, world.genes[number], seed)
    return number, seed, accuracy, time.process_time() - began


def _noisy(images: ImageSet, deviation: float, seed: int) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    added = deviation * torch.randn(images.images_NCHW.shape, generator=generator)
    pixels = (images.images_NCHW + added).round().clamp(0, 255).to(torch.uint8)
    return ImageSet(pixels, images.labels_N)


def _draw_genes(space: SearchSpace, widths: WidthSpace, windows: Windows, count: int) -> tuple[Candidate, ...]:
    """Different genes in the band, each a uniform draw of all widths that was moved into it by a common offset."""
    rng = np.random.default_rng(0)
    drawn: dict[Candidate, None] = {}
    while len(drawn) < count:
        drawn[repair(space, space.sample(rng), widths.costs, windows, rng)] = None
    return tuple(drawn)
