"""From a card to a frozen net that teaches: the weights' hash is checked first, then whether card and task agree.

B: batch, C: classes for logits, channels for images.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from kdsearch.data.augment import normalise
from kdsearch.data.seen import seen_share
from kdsearch.errors import SpecError
from kdsearch.files import hash_file
from kdsearch.measures.layout import image_layout
from kdsearch.models.checkpoints import load_weights, other_head, read_weights
from kdsearch.models.given import Trial, freeze_given, hash_given
from kdsearch.models.zoo import make_net
from kdsearch.quoting import say_command
from kdsearch.spec.teacher_card import Card, read_card
from kdsearch.tasks.base import Part, Task
from kdsearch.teaching.taps import Taps

Gives = Literal["everything", "gradients", "logits"]

_log = logging.getLogger(__name__)
_WHO = "teacher: the module that was passed"
_NAMED = 5  # how many of the missing classes a message names


@dataclass(frozen=True, slots=True)
class Teacher:
    """A frozen net in evaluation mode on its device, with its own input normalisation.

    ``sha256``: of the weights file. ``classes`` in the task's order; ``columns``: which logit of the net each of them
    is, None where the logits are in that order already. ``made_of``: the net as the card names it, since one file of
    weights fits nets of different forwards. ``gives``: all that is inside, or its logits alone, with gradients or not.
    """

    net: nn.Module
    name: str
    sha256: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]
    columns: tuple[int, ...] | None
    made_of: str = ""
    gives: Gives = "everything"

    @property
    def identity(self) -> str:
        """What decides its answers: another teacher has another identity."""
        return hashlib.sha256(repr((self.sha256, self.made_of, self.mean, self.std, self.columns)).encode()).hexdigest()

    def answer(self, pixels_BCHW: Tensor, taps: Mapping[str, str]) -> tuple[Tensor, dict[str, Tensor]]:
        """The logits (BC, the task's classes) and the tapped tensors by alias, in fp32 and without gradient.

        Pixels are 0..255, uint8 or float32, not normalised. ``taps``: alias to module path, or path + ``:input``.

        Raises:
            SpecError: a tap that ``Taps`` refuses.
        """
        device = self.device
        # whatever precision the student trains in: cached and fresh answers are the same
        with torch.no_grad(), torch.autocast(device.type, enabled=False), Taps(self.net, taps) as tapped:
            image_BCHW = normalise(pixels_BCHW.to(device, non_blocking=True), self.mean, self.std)
            logits_BC = self.net(image_BCHW).float()
            found = {alias: tensor.float() for alias, tensor in tapped.take().items()}
        return self._in_order(logits_BC), found

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """The logits (BC, the task's classes, fp32) of images that are normalised already, with their gradient."""
        with torch.autocast(image_BCHW.device.type, enabled=False):
            return self._in_order(self.net(image_BCHW).float())

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    def _in_order(self, logits_BC: Tensor) -> Tensor:
        """The columns of the task's classes, in their order."""
        if self.columns is None:
            return logits_BC
        return logits_BC.index_select(1, torch.tensor(self.columns, device=logits_BC.device))


def load_teacher(card_path: str | Path, task: Task, device: torch.device) -> Teacher:
    """The teacher of a card (a path, a ``kdsearch teach`` run directory or a shipped name) for a task.

    Raises:
        SpecError: there is no such card, it has not been trained, its weights are missing, damaged or not those that
            it names, or it does not fit the task; the message says what to do.
    """
    card, where = read_card(card_path), str(card_path)
    content_hash = _check_weights(card, where)
    assert card.weights is not None
    assert card.input is not None
    assert card.classes is not None
    match_shape(card.input.shape, task, where)
    columns = match_classes(card.classes, task, where)
    assert card.mean is not None
    assert card.std is not None
    classes = card.classes if isinstance(card.classes, tuple) else task.classes
    channels, side, _ = card.input.shape
    net = make_net(
        card.net.made_of(), num_classes=len(classes), in_channels=channels, image_size=side, section="teacher card: net"
    )
    if head := other_head(net, read_weights(card.weights)):
        raise SpecError(
            f"{card.weights}: {head[0]} is not for the {len(classes)} classes that {where} names; correct it"
        )
    load_weights(net, card.weights)
    net.to(device).to(memory_format=image_layout(net)).eval().requires_grad_(False)
    if card.data_hash and card.data_hash != task.digest:
        _log.info("%s: trained on other data than the task's (hash %s, not %s)", where, card.data_hash, task.digest)
    made_of = card.net.model_dump_json()
    return Teacher(net, card.name, content_hash, card.mean, card.std, task.classes, columns, made_of)


def take_teacher(module: nn.Module, task: Task, device: torch.device) -> Teacher:
    """The teacher that a module passed from Python is, reading images as ``task`` normalises them.

    It is copied and frozen; its hash is that of its weights. Its outputs are the task's classes in their order.

    Raises:
        SpecError: it is no net, cannot read the task's images, or has another number of classes.
    """
    example_BCHW = task.calibration(2, seed=0, device=torch.device("cpu"))
    net = freeze_given(module, Trial(example_BCHW, task.num_classes, _WHO))
    net.to(device).to(memory_format=image_layout(net))
    made_of = f"{type(module).__module__}.{type(module).__qualname__} {module}"
    content_hash = hash_given(module, _WHO)
    mean, std = tuple(task.mean), tuple(task.std)
    return Teacher(net, type(net).__name__, content_hash, mean, std, task.classes, None, made_of)


def warn_of_seen_images(card_path: str | Path, task: Task) -> dict[str, float]:
    """The share (0..1) of the task's validation and test images that the teacher was trained on, with a warning if any.

    A teacher knows those images by heart, and so flatters itself and its students there: it happens where the task is
    split by another seed than the teacher's was. The task's test part must be readable.
    """
    card, shares = read_card(card_path), dict[str, float]()
    parts: tuple[Part, ...] = ("validation", "test")
    for part in parts:
        shares[part] = seen_share(card.seen, task.images(part))
    if any(shares.values()):
        said = " and ".join(f"{100 * share:.0f} % of the {part} images" for part, share in shares.items() if share)
        _log.warning(
            "%s: the teacher was trained on about %s, so accuracies on them flatter; use the seed and the shares that "
            "its task had (seed: %d), or train it for this split: %s",
            card_path,
            said,
            card.seed,
            say_command("teach", Path(card_path), "--set", "seed=..."),
        )
    return shares


def _check_weights(card: Card, where: str) -> str:
    """The SHA-256 of the weights file, which is the card's; nothing of the file has been parsed."""
    if card.weights is None:
        raise SpecError(
            f"{where}: has no weights yet; train them, and name the card it writes: {say_command('teach', Path(where))}"
        )
    if not card.weights.is_file():
        raise SpecError(f"{where}: its weights {card.weights} are not there; put them beside the card")
    found = hash_file(card.weights)
    if card.sha256 is None:
        raise SpecError(f"{where}: sha256 is missing; if you trust {card.weights}, write sha256: {found}")
    if found != card.sha256:
        raise SpecError(
            f"{where}: {card.weights} is not the file that the card is of (SHA-256 {found[:12]}.., the card says "
            f"{card.sha256[:12]}..); put the right one there, or correct the card if you trust this one"
        )
    return found


def match_shape(shape: tuple[int, ...], task: Task, where: str) -> None:
    """Raises SpecError where a teacher reads other images than the task's."""
    if shape != tuple(task.image_shape):
        wanted, found = ("x".join(map(str, lengths)) for lengths in (shape, task.image_shape))
        raise SpecError(
            f"teacher: {where} reads images of {wanted}, the task's are {found}; set task.image_size and "
            "task.channels to the teacher's, or name a teacher of these images"
        )


def match_classes(classes: tuple[str, ...] | int, task: Task, where: str) -> tuple[int, ...] | None:
    """The column of each of the task's classes among a teacher's logits; None where they are the same.

    Raises:
        SpecError: it does not know them all.
    """
    if not isinstance(classes, tuple):
        if classes != task.num_classes:
            raise SpecError(
                f"teacher: {where} has {classes} classes, the task {task.num_classes}; name another teacher"
            )
        return None
    missing = [name for name in task.classes if name not in classes]
    if missing:
        named = ", ".join(f"'{name}'" for name in missing[:_NAMED]) + (", .." if len(missing) > _NAMED else "")
        raise SpecError(
            f"teacher: {where} does not know {len(missing)} of the task's {task.num_classes} classes: {named}; name a "
            f"teacher of these classes, or train one on this task with: kdsearch teach"
        )
    return None if classes == tuple(task.classes) else tuple(classes.index(name) for name in task.classes)
