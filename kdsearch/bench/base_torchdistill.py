"""torchdistill's correlation-congruence term: alone, and training a student, heads and all, inside our loop.

B: batch, D: features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.errors import KdsearchError
from kdsearch.spec.terms import Term
from kdsearch.teaching.distillation import Distillation, Pupil, make_pupil
from kdsearch.teaching.lessons import Lesson, make_objective, try_nets
from kdsearch.teaching.taps import Taps, flat_embedding
from kdsearch.training.loop import History, Setting
from kdsearch.training.net import train_net

Loss = Callable[[Tensor, Tensor], Tensor]

GAMMA, ORDER = 0.4, 2  # the paper's
_HEAD = 128
_WEIGHT = 0.003


def torchdistill_loss() -> Loss:
    """torchdistill's CCKDLoss with the paper's kernel, as a function of two batches of features."""
    try:
        from torchdistill.losses.mid_level import CCKDLoss
    except ImportError:
        raise KdsearchError("torchdistill is not installed: in the checkout, pip install -e '.[bench]'") from None
    settings = {"type": "gaussian", "gamma": GAMMA, "max_p": ORDER}
    criterion = CCKDLoss("tap", "tap", kernel_config=settings, reduction="batchmean")

    def loss(student_BD: Tensor, teacher_BD: Tensor) -> Tensor:
        return criterion({"tap": {"output": student_BD}}, {"tap": {"output": teacher_BD}})

    return loss


class _WithTheirs:
    """Our KD and torchdistill's CC on two linear heads, both trained, as its sample configuration has it."""

    def __init__(self, ours: Distillation, taps: dict[str, str]) -> None:
        self.batches, self.identity = ours.batches, ours.identity + " torchdistill"
        self._ours, self._taps, self._loss = ours, taps, torchdistill_loss()

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        assert isinstance(model, Pupil)
        heads: Any = model.layers["torchdistill"]
        with Taps(model.student, self._taps) as taps:
            logits_BC = model.student(batch.images_BCHW)
            own_BD = flat_embedding(taps.take()["embedding"])
        teacher_BC, tapped = self._ours.answers(batch)
        other_BD = flat_embedding(tapped["embedding"])
        kd = nn.functional.kl_div(logits_BC.log_softmax(1), teacher_BC.softmax(1), reduction="batchmean")
        return kd + _WEIGHT * self._loss(heads["student"](own_BD), heads["teacher"](other_BD)), logits_BC

    def figures(self, _: nn.Module) -> dict[str, float]:
        return {}


def train_with_torchdistill(lesson: Lesson, net: nn.Module, setting: Setting) -> History:
    """Trains ``net`` by KL divergence (temperature 1) and 0.003 of torchdistill's CCKDLoss with 128 features a head."""
    # a term that taps the embedding, so that the teacher's is answered too; its loss is not used
    tapping = Term.model_validate({"cc": 0.0})
    lesson = replace(lesson, options=lesson.options.model_copy(update={"terms": (*lesson.options.terms, tapping)}))
    tried = try_nets(lesson, net)
    pupil = make_pupil(net, lesson.options.terms, tried, setting.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setting.seed)
        heads = {
            side: nn.Linear(flat_embedding(tapped["embedding"]).shape[1], _HEAD)
            for side, tapped in (("student", tried.student_taps), ("teacher", tried.teacher_taps))
        }
    pupil.layers["torchdistill"] = nn.ModuleDict(heads)
    objective = _WithTheirs(make_objective(lesson, net, setting.seed), lesson.student_taps(net))
    return train_net(pupil, lesson.task, lesson.options, setting, objective=objective)
