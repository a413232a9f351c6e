"""The objective of a training by a teacher."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from kdsearch.errors import SpecError
from kdsearch.losses.pointwise import kd_loss
from kdsearch.spec.terms import Term
from kdsearch.teaching.distillation import Distillation, Pupil, make_pupil
from kdsearch.teaching.taps import Taps
from kdsearch.teaching.term_losses import Signals


class Batch(NamedTuple):
    images_BCHW: Tensor
    labels: Tensor


IMAGES = torch.rand(8, 1, 6, 6, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(8) % 3


def make_net(width: int = 4, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    conv = nn.Conv2d(1, width, 3)
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3))


TEACHER = make_net(6, seed=9)
TAPS = {"embedding": "4:input", "map": "1"}


def answers(batch):
    with torch.no_grad():
        maps = TEACHER[:2](batch.images_BCHW)
        embedding = TEACHER[2:4](maps)
        return TEACHER[4](embedding), {"embedding": embedding, "map": maps}


def terms(*written) -> list[Term]:
    return [Term.model_validate(item) for item in written]


def tried(paths, shown) -> Signals:
    with Taps(net := make_net(), paths) as taps:
        logits = net(IMAGES)
        return Signals(logits, logits, LABELS, taps.take(), shown, 0.0)


def lesson(*written, seed: int = 0) -> tuple[Pupil, Distillation]:
    made = terms(*written)
    pupil = make_pupil(make_net(), made, tried(TAPS, answers(Batch(IMAGES, LABELS))[1]), seed)
    objective = Distillation(made, [], answers=answers, student_taps=TAPS, smoothing=0.0, identity="toy")
    return pupil, objective


def gradient(value: Tensor, pupil: Pupil) -> Tensor:
    found = torch.autograd.grad(value, list(pupil.student.parameters()), retain_graph=True, allow_unused=True)
    return torch.cat(
        [
            g.flatten() if g is not None else torch.zeros(p.numel())
            for g, p in zip(found, pupil.student.parameters(), strict=True)
        ]
    )


def test_the_loss_is_the_weighted_sum_of_the_terms():
    batch = Batch(IMAGES, LABELS)
    alone = [lesson({"ce": 1.0}), lesson({"kd": 1.0}), lesson({"cc": 1.0})]
    parts = [objective.loss(pupil, batch)[0].item() for pupil, objective in alone]
    pupil, objective = lesson({"ce": 0.5}, {"kd": 2.0}, {"cc": 30.0})
    total, logits = objective.loss(pupil, batch)
    assert total.item() == pytest.approx(0.5 * parts[0] + 2 * parts[1] + 30 * parts[2], rel=1e-6)
    assert torch.equal(logits, pupil.student(IMAGES))


def test_figures_are_the_epochs_means_and_shares_of_the_gradient_and_start_anew():
    pupil, objective = lesson({"ce": 0.5}, {"kd": 2.0})
    logits = pupil.student(IMAGES)
    ce = nn.functional.cross_entropy(logits, LABELS)
    kd = kd_loss(logits, TEACHER(IMAGES).detach(), 4.0)
    norms = [0.5 * gradient(ce, pupil).norm().item(), 2 * gradient(kd, pupil).norm().item()]
    for _ in range(2):
        objective.loss(pupil, Batch(IMAGES, LABELS))
    figures = objective.figures(pupil)
    assert figures["ce"] == pytest.approx(ce.item())
    assert figures["kd_share"] == pytest.approx(norms[1] / sum(norms), rel=1e-5)
    assert "kd_weight" not in figures
    objective.loss(pupil, Batch(IMAGES[:4], LABELS[:4]))
    assert objective.figures(pupil)["ce"] != pytest.approx(ce.item())


@pytest.mark.parametrize(("steps", "measured"), [(16, {0, 50, 100, 150}), (70, {0, 70, 140}), (300, {0})])
def test_shares_are_measured_about_once_an_epoch_and_at_most_every_fiftieth_step(steps, measured):
    _, objective = lesson({"ce": 0.5}, {"kd": 2.0})
    objective.batches = range(steps)
    assert {step for step in range(160) if objective._is_due(step)} == measured


def test_a_balanced_term_gets_its_share_of_the_gradient():
    pupil, objective = lesson({"ce": 1.0}, {"kd": 0.5}, {"cc": {"balance": "gradient", "share": 0.25}})
    total, _ = objective.loss(pupil, Batch(IMAGES, LABELS))
    figures = objective.figures(pupil)
    assert figures["cc_share"] == pytest.approx(0.25)
    assert figures["ce_share"] + figures["kd_share"] == pytest.approx(0.75)
    rest = figures["ce"] + 0.5 * figures["kd"]
    assert total.item() == pytest.approx(rest + figures["cc_weight"] * figures["cc"], rel=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e-9, 0.0])
def test_a_balanced_weight_stays_below_its_bound_however_small_its_gradient(scale):
    pupil, objective = lesson({"ce": 1.0}, {"cc": {"balance": "gradient", "share": 0.25, "most": 50.0}})
    weights = []
    for _ in range(30):
        values = objective._values(pupil, Batch(IMAGES, LABELS))[1]
        objective._measure(pupil, [values[0], scale * values[1]])
        weights.append(float(pupil.weight_T[1]))
    assert max(weights) <= 50
    assert weights[-1] == pytest.approx(50.0, rel=0.01) or scale in (0.0, 1.0)


def test_a_balanced_weight_is_the_same_after_a_stop():
    """What the objective remembers lies in the pupil, so a new objective on the saved pupil goes on alike."""
    written = {"ce": 1.0}, {"cc": {"balance": "gradient", "share": 0.25}}
    batches = [Batch(IMAGES[at : at + 4], LABELS[at : at + 4]) for at in (0, 1, 2, 3, 4, 3, 2, 1, 0)]
    whole, objective = lesson(*written)
    losses = [objective.loss(whole, batch)[0].item() for batch in batches]
    first, before = lesson(*written)
    for batch in batches[:4]:
        before.loss(first, batch)
    second, after = lesson(*written, seed=3)
    second.load_state_dict(first.state_dict())
    assert [after.loss(second, batch)[0].item() for batch in batches[4:]] == losses[4:]
    assert torch.equal(whole.weight_T, second.weight_T)


def test_heads_and_projectors_are_learned_beside_the_student_and_a_teachers_head_is_not():
    pupil, objective = lesson({"ce": 1.0}, {"hint": {"tap": "map"}}, {"cc": {"heads": 5}})
    learned = {name for name, parameter in pupil.named_parameters() if parameter.requires_grad}
    assert "layers.hint.projector.weight" in learned
    assert "layers.cc.student_head.weight" in learned
    assert not any("teacher_head" in name for name in learned)
    total, _ = objective.loss(pupil, Batch(IMAGES, LABELS))
    total.backward()
    assert pupil.layers["hint"]["projector"].weight.grad.abs().sum() > 0
    assert set(make_net().state_dict()) == set(pupil.student.state_dict())


@pytest.mark.parametrize("kind", ["dkd", "dist", "attention", "sp", "rkd"])
def test_every_term_teaches_the_student(kind):
    options = {"tap": "map"} if kind == "attention" else {}
    pupil, objective = lesson({kind: options})
    objective.loss(pupil, Batch(IMAGES, LABELS))[0].backward()
    assert pupil.student[0].weight.grad.abs().sum() > 0


def test_mixed_labels_reach_every_term():
    mixed = nn.functional.one_hot(LABELS, 3).float() * 0.7 + 0.1
    pupil, objective = lesson({"ce": 1.0}, {"dkd": 1.0})
    hard = objective.loss(pupil, Batch(IMAGES, LABELS))[0]
    soft = objective.loss(pupil, Batch(IMAGES, mixed))[0]
    logs = pupil.student(IMAGES).log_softmax(1)
    ce = [-(logs * target).sum(1).mean() for target in (nn.functional.one_hot(LABELS, 3), mixed)]
    assert (soft - hard).item() == pytest.approx((ce[1] - ce[0]).item(), abs=1e-5)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"attention": {"tap": "embedding"}}, "must be a feature map in both nets"),
        ({"hint": {"tap": "odd"}}, r"must have one size in both nets \(student \(4, 4, 4\), teacher \(6, 1, 1\)\)"),
    ],
)
def test_tensors_that_cannot_be_compared_are_refused(written, said):
    taps = {**TAPS, "odd": "1"}
    shown = {**answers(Batch(IMAGES, LABELS))[1], "odd": torch.zeros(8, 6, 1, 1)}
    with pytest.raises(SpecError, match=said):
        make_pupil(make_net(), terms(written), tried(taps, shown), 0)
