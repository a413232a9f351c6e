"""From a study file to a study: every part is built and checked before anything long runs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kdsearch import registry
from kdsearch.candidates.limits import resolve
from kdsearch.candidates.repair import find_inside
from kdsearch.candidates.space import SearchSpace
from kdsearch.context import Context
from kdsearch.costs import FILE_SIZE
from kdsearch.errors import SpecError, WidthError
from kdsearch.files import cache_dir
from kdsearch.records import RunPaths
from kdsearch.rundir.ledger import check_storage
from kdsearch.searchers.base import Searcher
from kdsearch.spec.plugins import TaskPlugin
from kdsearch.spec.sections import GIVEN
from kdsearch.strategies.base import Strategy
from kdsearch.study.control import uniform_gene
from kdsearch.study.data_roots import find_data_roots
from kdsearch.study.file_size import file_overhead
from kdsearch.study.normalising import normalise_for
from kdsearch.study.placeholders import placeholder_task
from kdsearch.study.pruning import Pruning
from kdsearch.study.renewing import check_renewal
from kdsearch.study.teaching import plan_teaching

if TYPE_CHECKING:
    import torch
    from torch import nn

    from kdsearch.executors.base import Executor
    from kdsearch.pruners.base import Pruner
    from kdsearch.spec.metric import Metric
    from kdsearch.spec.study_spec import StudySpec
    from kdsearch.tasks.base import Task
    from kdsearch.teaching.lessons import Teaching
    from kdsearch.widths.space import WidthSpace

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class Study:
    """Every part of a study. ``ctx`` is what the search may see; ``task`` has the test part, for the end."""

    spec: StudySpec
    task: Task
    ctx: Context
    strategy: Strategy
    finish: Strategy

    def __repr__(self) -> str:
        return f"<{self.spec!r} on {self.task.name}: {len(self.ctx.widths.groups)} channel groups>"

    @property
    def score_metric(self) -> Metric | None:
        """What candidates and finalists are compared by where that is a score of its own; None: the task's metric."""
        return self.spec.score_metric

    def make_searcher(self) -> Searcher:
        """A searcher that has been told nothing; the uniform gene of each budget is its first candidate."""
        kind = registry.find("kdsearch.searchers", self.spec.search.name)
        searcher: Searcher = kind(
            self.spec.search.options,
            self.ctx.space,
            self.spec.seed,
            budgets=self.ctx.budgets,
            measure=self.ctx.widths.costs,
            seeds=self.ctx.uniform,
            inside=self.ctx.inside,
        )
        return searcher

    def make_pruning(self) -> Pruning | None:
        """What stops trainings of candidates, which has been told nothing; None where none is to be stopped.

        A training that no pruner hears is not validated on its way, so one that stops none must not be asked.
        """
        pruner, epochs = self._find_pruner()
        if pruner is None:
            return None
        return Pruning(pruner, self.ctx.task.metric, epochs=epochs, budgets=len(self.ctx.budgets))

    @property
    def prunes(self) -> bool:
        """Whether candidates are to report each epoch."""
        return self._find_pruner()[0] is not None

    def _find_pruner(self) -> tuple[Pruner | None, int]:
        """What may stop a training of a candidate, if anything may, and how many epochs such a training has."""
        epochs = self.strategy.options.trained_epochs
        if epochs is None or not self.strategy.options.trains_candidates:
            return None, 0
        plugin = self.spec.pruner
        pruner: Pruner = registry.find("kdsearch.pruners", plugin.name)(plugin.options)
        return (None if pruner.first_epoch(epochs) is None else pruner), epochs


def load_task(named: TaskPlugin, seed: int) -> Task:
    """What is learned, with its images in memory.

    Raises:
        DataError: they cannot be read; the message names the file.
    """
    kind: type[Task] = registry.find(named.package, named.name)
    return kind.load(named.options, cache_dir=cache_dir(), seed=seed)


def plan(
    spec: StudySpec,
    paths: RunPaths | str | Path,
    *,
    task: Task | None = None,
    net: nn.Module | None = None,
    teacher: nn.Module | None = None,
) -> Study:
    """The study with its data loaded (unless a ``task`` is given), its net traced and its limits resolved.

    ``net`` is the student of a study that says ``student: {net: given}``, ``teacher`` the one of ``teacher: {net:
    given}``.

    Raises:
        KdsearchError: data, net or options do not fit one another; the message names the section.
    """
    import torch

    paths = paths if isinstance(paths, RunPaths) else RunPaths(Path(paths))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    strategy, finish = _strategy(spec.strategy), _strategy(spec.finish)
    _check_ends(spec)
    if task is None:
        task = placeholder_task(spec) if spec.task.generates else load_task(spec.task, spec.seed)
        check_batches(spec, len(task.images("train")))
    task = normalise_for(spec.student, task)
    teaching = plan_teaching(spec.teacher, task, device, teacher)
    ctx = make_context(spec, task, _student(spec, task, net).to(device), paths, strategy=strategy, teaching=teaching)
    strategy.check(ctx)
    finish.check(ctx)
    study = Study(spec, task, ctx, strategy, finish)
    _check_search(study)
    return study


def _count_taught(spec: StudySpec) -> int:
    """How many students may be trained by the teacher."""
    named, count = spec.finish, 0
    if named.options.asks_teacher:
        count += named.trained_per_budget * spec.limits.budgets + named.seeds * named.controls.full
    return max(1, count + (spec.budget.trials if spec.strategy.options.asks_teacher else 0))


def _check_ends(spec: StudySpec) -> None:
    """Makes what else a run would only meet after hours: its executor, exporters and storage."""
    check_storage(spec.storage)
    executor: type[Executor] = registry.find("kdsearch.executors", spec.executor.name)
    if spec.modules and not executor.in_process:
        raise SpecError(f"executor: {spec.executor.name} cannot be handed a module; use executor: {{name: serial}}")
    for plugin in spec.export:
        registry.find("kdsearch.exporters", plugin.name)(plugin.options)
    for each in spec.compress:
        registry.find("kdsearch.compress", each.name)(each.options)


def _check_search(study: Study) -> None:
    """Makes a searcher and a pruner, which refuse what they cannot do, and gives every budget a trial at least."""
    study.make_pruning()
    trials, budgets = study.make_searcher().total(study.spec.budget.trials), len(study.ctx.budgets)
    if trials < budgets:
        raise SpecError(f"budget.trials: {trials} trials cannot serve the {budgets} budgets of limits; raise it")


def check_batches(spec: StudySpec, images: int) -> None:
    """Refuses, by a SpecError, a batch of more images than the training part has."""
    for section, plugin in (("strategy", spec.strategy), ("finish", spec.finish)):
        option, least = plugin.options.least_images
        if least > images:
            raise SpecError(f"{section}.{option} is {least}; the training part has {images} images; lower it")


def make_context(
    spec: StudySpec, task: Task, net: nn.Module, paths: RunPaths, *, strategy: Strategy, teaching: Teaching | None
) -> Context:
    """All that a strategy may see: the net, its widths, the strategy's search space over them, budgets, the teacher."""
    device = next(net.parameters()).device
    widths = _find_widths(spec, task, net)
    if FILE_SIZE in spec.limits.bounds:
        widths.overhead_bytes = file_overhead(widths, task, spec.export, spec.finish.seeds)
    full, smallest = widths.costs(widths.full), widths.costs(widths.smallest)
    budgets = resolve(spec.limits, full, smallest, net=spec.student.label)
    genes = tuple(uniform_gene(widths, windows) for windows in budgets)
    space = SearchSpace(strategy.parameters(widths, genes))
    uniform = tuple(strategy.complete(gene) for gene in genes)
    return Context(
        task=task.without_test(),
        net=net,
        widths=widths,
        space=space,
        budgets=budgets,
        uniform=uniform,
        device=device,
        seed=spec.seed,
        trained=_is_trained(spec, net, task.num_classes),
        paths=paths,
        teaching=teaching,
        students_taught=_count_taught(spec),
        inside=tuple(
            find_inside(space, widths.costs, windows, np.random.default_rng(spec.seed), start)
            for windows, start in zip(budgets, uniform, strict=True)
        ),
        data_roots=find_data_roots(spec),
    )


def _find_widths(spec: StudySpec, task: Task, net: nn.Module) -> WidthSpace:
    """The net's widths, once crops of two genes were found to be what their compact nets are."""
    from kdsearch.widths.finding import find_widths

    try:
        widths = find_widths(net, task.image_shape, spec.student)
    except WidthError as error:
        raise _unsearchable(spec, error) from error
    if not widths.groups:
        raise SpecError(
            f"student: no channel of {spec.student.label} can be cropped: {_first_reason(widths)}; name another net"
        )
    device = next(net.parameters()).device
    check_parity(spec, task, widths, device)
    check_renewal(widths.build(widths.smallest), task.calibration(4, seed=spec.seed, device=device), spec.student)
    return widths


def check_parity(spec: StudySpec, task: Task, widths: WidthSpace, device: torch.device) -> None:
    """Refuses, by a SpecError, a net two of whose crops are not what their compact nets are on the task's images."""
    try:
        for gene in (widths.smallest, widths.uniform(0.5)):
            widths.verify(gene, task.calibration(4, seed=spec.seed, device=device))
    except WidthError as error:
        raise _unsearchable(spec, error) from error


def _unsearchable(spec: StudySpec, error: WidthError) -> SpecError:
    return SpecError(
        f"student: {spec.student.label} cannot be searched: {error}; let its forward run at every width and batch size "
        "or name another net"
    )


def _is_trained(spec: StudySpec, net: nn.Module, num_classes: int) -> bool:
    """Whether the net starts as a classifier of these classes, so that pretraining it would be lost time."""
    from kdsearch.models.checkpoints import other_head, read_weights
    from kdsearch.models.pretrained import keeps_head

    if spec.student.net == GIVEN:
        return spec.student.trained
    if spec.student.pretrained:
        return keeps_head(spec.student, num_classes)
    weights = spec.student.weights
    return weights is not None and not other_head(net, read_weights(weights))


def _student(spec: StudySpec, task: Task, net: nn.Module | None) -> nn.Module:
    import torch

    from kdsearch.models.given import WHO, Trial, make_plain
    from kdsearch.models.zoo import make_net

    given = spec.student.net == GIVEN
    if given and net is None:
        raise SpecError(f"student.net: {GIVEN} stands for a module passed to kdsearch.run_study; name a net here")
    if net is not None and not given:
        raise SpecError(f"student: a module was passed, so the study must say student: {{net: {GIVEN}}}")
    if net is None:
        channels, side = task.image_shape[0], task.image_shape[1]
        net = make_net(
            spec.student, num_classes=task.num_classes, in_channels=channels, image_size=side, seed=spec.seed
        )
    who = WHO if given else spec.student.label
    return make_plain(net, Trial(task.calibration(2, seed=0, device=torch.device("cpu")), task.num_classes, who))


def _first_reason(widths: WidthSpace) -> str:
    return "; ".join(f"{name}: {why}" for name, why in widths.frozen[:3]) or "it has no convolution"


def _strategy(plugin: object) -> Strategy:
    kind = registry.find("kdsearch.strategies", plugin.name)  # type: ignore[attr-defined]
    made: Strategy = kind(plugin.options)  # type: ignore[attr-defined]
    return made
