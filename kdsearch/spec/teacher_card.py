"""The card of a teacher: what net it is, how it is trained and what its weights expect; no torch here.

A card with a task and a recipe can be trained (``kdsearch teach CARD``); one with weights can teach.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from kdsearch.errors import SpecError
from kdsearch.quoting import say_command
from kdsearch.spec.errors import shown, unknown
from kdsearch.spec.metric import ACCURACY, Metric
from kdsearch.spec.net_facts import Classes, Length, Sha256
from kdsearch.spec.plugins import TaskPlugin
from kdsearch.spec.reading import absolute, check_name, read_section
from kdsearch.spec.sections import OWN_NETS, Recipe, Section, StudentOptions
from kdsearch.spec.sources import pick_shipped, read_document, shipped_files
from kdsearch.spec.yaml import read_scalar

_WEIGHTS = (".pt", ".pth", ".safetensors", ".bin", ".ckpt")
FINGERPRINT_BYTES = 6


class NetOptions(Section):
    """The teacher's net, named as a student's is: exactly one of ``timm``, ``torchvision`` and ``net``."""

    timm: str | None = None
    torchvision: str | None = None
    net: str | None = None
    width: float = Field(1.0, gt=0, le=4)
    stem_stride: Literal[1, 2, 4] | None = None

    @model_validator(mode="after")
    def _can_be_made(self) -> NetOptions:
        if self.net is not None and self.net not in OWN_NETS:
            raise ValueError(unknown("net", self.net, OWN_NETS))
        try:
            self.made_of()
        except ValidationError as error:
            raise ValueError(str(error.errors()[0]["ctx"]["error"])) from None
        return self

    def made_of(self) -> StudentOptions:
        """What ``kdsearch.models.zoo.make_net`` makes it of."""
        return StudentOptions(**self.model_dump())


class InputOptions(Section):
    """What the net reads; ``shape``: channels, height and width."""

    shape: tuple[Length, Length, Length]


class Card(Section):
    """A teacher.

    ``task``, ``seed``, ``recipe``: how it is trained; a net trained elsewhere has none. ``weights``: a file beside the
    card, with the ``sha256`` of its bytes; ``input``, ``mean`` and ``std`` (of pixels 0..1) are what these weights
    expect. ``classes``: the names of the logits, in their order; a number where the logits are the task's classes in
    the task's order. ``metrics``: the headline figure on the test part, read once after the training, and on the
    validation part, by the names that the task's metric has for them. ``data_hash``: of the data set it was trained on;
    ``seen``: fingerprints of its training images.
    """

    name: str
    description: str = ""
    licence: str = ""
    net: NetOptions
    task: TaskPlugin | None = None
    seed: int = Field(0, ge=0, lt=2**32)
    recipe: Recipe | None = None
    weights: Path | None = None
    sha256: Sha256 | None = None
    input: InputOptions | None = None
    mean: tuple[Annotated[float, Field(ge=-1e6, le=1e6)], ...] | None = None
    std: tuple[Annotated[float, Field(gt=0, le=1e6)], ...] | None = None
    classes: Classes | None = None
    metrics: Mapping[str, float] = {}
    data_hash: str = ""
    seen: str = ""

    @property
    def metric(self) -> Metric:
        """The figure by which its task judges nets; accuracy where the card names no task."""
        return self.task.metric if self.task is not None else ACCURACY

    @field_validator("metrics")
    @classmethod
    def _are_shares(cls, given: Mapping[str, float]) -> Mapping[str, float]:
        for name in (ACCURACY.name, ACCURACY.validation):
            if not 0 <= given.get(name, 0) <= 1:
                raise ValueError(f"{name} must be a share from 0 to 1, such as 0.985 (got {given[name]:g})")
        return given

    @field_validator("name")
    @classmethod
    def _names_a_file(cls, name: str) -> str:
        return check_name(name)

    @field_validator("seen")
    @classmethod
    def _holds_fingerprints(cls, given: str) -> str:
        try:
            whole = len(base64.b64decode(given, validate=True)) % FINGERPRINT_BYTES == 0
        except binascii.Error:
            whole = False
        if not whole:
            raise ValueError("is no list of fingerprints as kdsearch teach writes it; remove it")
        return given

    @model_validator(mode="after")
    def _is_whole(self) -> Card:
        if self.task is not None and self.task.generates:
            raise ValueError("task.data: none has no images to train a teacher on; name some, or a bank")
        if self.weights is None:
            if self.task is None or self.recipe is None:
                raise ValueError("needs weights, or a task and a recipe to train by")
            return self
        missing = [key for key in ("input", "mean", "std", "classes") if getattr(self, key) is None]
        if missing:
            raise ValueError(f"weights says nothing without {', '.join(missing)} beside it; add what is missing")
        return self

    @model_validator(mode="after")
    def _normalises_its_channels(self) -> Card:
        channels = self.input.shape[0] if self.input is not None else None
        for key, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and channels is not None and len(values) != channels:
                raise ValueError(
                    f"{key} has {len(values)} number(s), input.shape has {channels} channel(s); give one a channel"
                )
        return self


def read_card(card: str | Path, sets: Sequence[str] = ()) -> Card:
    """The card in a file, or the shipped one of that name, with the changes ``a.b=value`` made.

    Its paths are absolute: ``weights`` is meant from the card's folder, the task's from the current directory.

    Raises:
        SpecError: no such card, or one line for every mistake, ``file:line: key: what is wrong``.
    """
    path = find_card(card)
    if path.suffix in _WEIGHTS:
        raise SpecError(
            f"{shown(str(card))}: is a file of weights, not a card; make one of it (NET: what it is the weights of): "
            + say_command("teach", "--from", Path(card), "--like", "NET", "--on", "STUDY")
        )
    found = read_section(Card, read_document(path, str(card) if path == Path(card) else path.name, sets))
    weights = None if found.weights is None else path.absolute().parent / found.weights.expanduser()
    return found.model_copy(update={"weights": weights, "task": absolute(found.task)})


def shipped_cards() -> Mapping[str, Path]:
    """File name to path of the cards that come with kdsearch."""
    return shipped_files("teacher_cards", "teachers")


def find_card(card: str | Path) -> Path:
    """The card's file: an existing path, the card of a ``kdsearch teach`` run directory, or a shipped card.

    A shipped one is named with or without ``teachers/`` before it and ``.yaml`` behind it.

    Raises:
        SpecError: none of these; the message lists the shipped ones.
    """
    path = Path(card)
    for at in (path / "card.yaml", path):
        if _is_file(at):
            return at
    name = path.name if path.parent in (Path(), Path("teachers")) else str(path)
    return pick_shipped(name, shipped_cards(), f"{shown(str(card))}: no such teacher card, nor a shipped one")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # the system refuses names that are too long or hold a NUL character
        return False


def to_yaml(card: Card) -> str:
    """The card as a YAML file that ``read_card`` reads back equal from the folder of its weights."""
    dumped = card.model_dump(mode="json", exclude_none=True)
    if card.weights is not None:
        dumped["weights"] = card.weights.name
    return yaml.dump(dumped, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


class _Dumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.2 would read as something else (PyYAML goes by 1.1); a list takes one line."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style: Any = None if isinstance(read_scalar(text), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(list, _represent_list)
