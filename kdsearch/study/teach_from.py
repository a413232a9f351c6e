"""The card of a teacher that was trained elsewhere, made of its checkpoint and measured on a study's images."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from kdsearch.errors import SpecError, StoreError
from kdsearch.files import hash_file
from kdsearch.models.checkpoints import load_weights, other_head, read_weights
from kdsearch.models.zoo import make_net
from kdsearch.rundir.store import save_text
from kdsearch.rundir.taught import CARD
from kdsearch.spec.sections import OWN_NETS
from kdsearch.spec.study_spec import StudySpec
from kdsearch.spec.teacher_card import Card, InputOptions, NetOptions, read_card, to_yaml
from kdsearch.study.planning import load_task
from kdsearch.study.plausibility import doubt_net
from kdsearch.tasks.base import Task
from kdsearch.weights import save_weights

_log = logging.getLogger(__name__)
Numbers = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Brought:
    """A checkpoint, the net that it is of (as a card or by name), and what its images were normalised by if known."""

    weights: Path
    like: str
    mean: Numbers | None = None
    std: Numbers | None = None


def make_card(brought: Brought, study: StudySpec, folder: Path | None = None) -> Path:
    """The card, written beside its weights in ``folder`` or in runs/teach-NAME; its figure is of validation images.

    Raises:
        SpecError: the checkpoint is of another net or other classes, or its classes are in another order.
        StoreError: the folder holds a card already, or cannot be written.
    """
    options, known = _find_net(brought.like)
    task = load_task(study.task, study.seed)
    mean, std = brought.mean or (known.mean if known else None), brought.std or (known.std if known else None)
    if mean is not None and std is not None:
        task = task.normalised_by(mean, std)
    net = _load(brought.weights, options, task)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    doubt = doubt_net(net.to(device), task, device=device, try_others=mean is None)
    if doubt is not None and doubt.certain:
        raise SpecError(f"{brought.weights}: {doubt.text}")
    if doubt is not None:
        _log.warning("%s: %s", brought.weights, doubt.text)
    figure = task.evaluate(net, "validation", device=device)[task.metric.name]
    return _write(brought, options, task, net, figure, folder)


def _find_net(like: str) -> tuple[NetOptions, Card | None]:
    """The net of a card, or the one of that name, and the card."""
    try:
        card = read_card(like)
    except SpecError as unknown:
        return _named_net(like, unknown), None
    return card.net, card


def _named_net(like: str, unknown: SpecError) -> NetOptions:
    import timm
    import torchvision

    if like in OWN_NETS:
        return NetOptions(net=like)
    if like in timm.list_models():
        return NetOptions(timm=like)
    if like in torchvision.models.list_models(module=torchvision.models):
        return NetOptions(torchvision=like)
    raise SpecError(f"--like {like}: must name a net of ours, timm or torchvision, or a card: {unknown}") from None


def _load(weights: Path, options: NetOptions, task: Task) -> nn.Module:
    channels, side, _ = task.image_shape
    net = make_net(options.made_of(), num_classes=task.num_classes, in_channels=channels, image_size=side)
    if head := other_head(net, read_weights(weights)):
        raise SpecError(
            f"{weights}: {head[0]} is not for the {task.num_classes} classes of {task.name}; name its own data"
        )
    load_weights(net, weights)
    return net.eval()


def _write(
    brought: Brought, options: NetOptions, task: Task, net: nn.Module, figure: float, folder: Path | None
) -> Path:
    name = f"{brought.weights.stem}"
    root = Path(folder or Path("runs", f"teach-{name}")).absolute()
    path = root / CARD
    if path.exists():
        raise StoreError(f"{path}: is there already; name another --run-dir, or remove it")
    weights = root / f"{name}.safetensors"
    root.mkdir(parents=True, exist_ok=True)
    save_weights(weights, net.cpu().state_dict())
    card = Card(
        name=name,
        description=f"made of {brought.weights.name}",
        net=options,
        weights=weights,
        sha256=hash_file(weights),
        input=InputOptions(shape=task.image_shape),
        mean=task.mean,
        std=task.std,
        classes=task.classes,
        metrics={task.metric.validation: figure},
    )
    save_text(path, to_yaml(card))
    return path
