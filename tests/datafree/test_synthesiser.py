from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kdsearch.datafree.synthesiser import Synthesiser, to_pixels
from kdsearch.spec.synthesis_sections import SynthesisOptions
from kdsearch.teaching.teachers import Teacher
from tests.toys import SHAPE, bars_teacher, make_toy

SMALL = {"width": 4, "noise": 8, "batch_size": 32}


@pytest.fixture(autouse=True)
def _own_numbers():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def synthesiser(teacher=None, **options) -> Synthesiser:
    return Synthesiser(teacher or bars_teacher(), SHAPE, SynthesisOptions(**SMALL | options), seed=0)


def norm_teacher() -> Teacher:
    net = make_toy(trained=True).eval().requires_grad_(False)
    return Teacher(net, "toy", "0" * 64, (0.3,), (0.3,), ("|", "-", " "), None)


def test_a_generator_learns_to_make_images_that_the_teacher_is_sure_about():
    made = synthesiser()
    before, *_, after = [made.step(turn).loss for turn in range(30)]
    assert after < before


@pytest.mark.parametrize("name", ["one_hot", "entropy", "activation", "batch_norm", "smooth"])
def test_each_weight_counts_in_what_the_generator_lowers(name):
    weights = dict.fromkeys(("one_hot", "entropy", "activation", "batch_norm", "smooth"), 0.0)
    teacher = norm_teacher() if name == "batch_norm" else bars_teacher()
    made = synthesiser(teacher, **weights | {name: 2.0}).step(0)
    assert made.loss == pytest.approx(2 * made.losses[name].item(), rel=1e-5)
    assert made.loss.abs() > 0


def test_neither_teacher_nor_rival_is_changed():
    teacher, rival = norm_teacher(), make_toy().train()
    before = [value.clone() for net in (teacher.net, rival) for value in net.state_dict().values()]
    made = synthesiser(teacher)
    for turn in range(3):
        made.step(turn, rival, 1.0)
    after = [value for net in (teacher.net, rival) for value in net.state_dict().values()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert rival.training


def test_images_look_for_what_the_rival_does_not_know_yet():
    """The same noise and the same start, with and without a rival: they differ more from it with one."""
    teacher, rival = bars_teacher(), make_toy(1).eval()
    gaps = []
    for rivalry in (0.0, 20.0):
        torch.manual_seed(0)
        made = synthesiser(teacher)
        for turn in range(40):
            found = made.step(turn, rival, rivalry)
        gaps.append(-found.losses["adversarial"].item())
    assert gaps[1] > 1.1 * gaps[0]


def test_generators_take_turns():
    made = synthesiser(generators=2)
    before = [[value.clone() for value in generator.parameters()] for generator in made.generators]
    made.step(1)
    moved = [
        any(not torch.equal(a, b) for a, b in zip(generator.parameters(), kept, strict=True))
        for generator, kept in zip(made.generators, before, strict=True)
    ]
    assert moved == [False, True]


def test_a_smaller_share_of_the_rate_moves_it_less():
    moves = []
    for share in (1.0, 0.1):
        torch.manual_seed(0)
        made = synthesiser()
        made.rate_share = share
        before = made.generators[0].last.weight.detach().clone()
        made.step(0)
        moves.append((made.generators[0].last.weight.detach() - before).abs().max().item())
    assert moves[1] == pytest.approx(0.1 * moves[0], rel=1e-3)


def test_pixels_are_what_the_teachers_numbers_make_of_an_image():
    image = torch.tensor([-10.0, 0.0, 1.0, 10.0]).view(1, 1, 2, 2)
    assert to_pixels(image, (0.5,), (0.25,)).flatten().tolist() == [0, 128, 191, 255]


def test_what_the_bank_is_given_is_what_the_teacher_says_of_pixels():
    made = synthesiser().step(0)
    answers, _ = bars_teacher().answer(made.pixels_BCHW, {})
    assert torch.equal(made.answers_BC, answers)
    assert made.pixels_BCHW.dtype == torch.uint8


def test_a_teacher_that_only_answers_is_not_looked_into(caplog):
    teacher = replace(bars_teacher(), gives="gradients")
    made = synthesiser(teacher).step(0)
    assert made.losses.keys() == {"one_hot", "entropy"}
    assert "bars only answers: images are made without the losses that read inside it" in caplog.text


def test_a_meta_generator_goes_part_of_the_way_that_its_copy_went():
    made = synthesiser(meta_generator=3)
    before = [value.detach().clone() for value in made.generators[0].parameters()]
    first = made.step(0)
    assert any(not torch.equal(a, b) for a, b in zip(before, made.generators[0].parameters(), strict=True))
    alone = synthesiser()
    torch.manual_seed(0)
    assert first.loss < alone.step(0).loss  # the images are those of the copy's last step


def test_a_meta_generator_learns():
    made = synthesiser(meta_generator=2)
    before, *_, after = [made.step(turn).loss for turn in range(20)]
    assert after < before
