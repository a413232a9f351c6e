from __future__ import annotations

import pytest
import torch

from kdsearch.datafree.bank import PARTS, Bank, BankSizes

SHAPE = (1, 2, 2)


def numbered(start: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images that say which one they are, and logits that say the same."""
    numbers = torch.arange(start, start + count)
    pixels = torch.stack([numbers // 256, numbers % 256, numbers * 0, numbers * 0], 1).to(torch.uint8)
    return pixels.view(-1, *SHAPE), torch.stack([numbers.float(), -numbers.float()], 1)


def numbers_of(pixels: torch.Tensor) -> list[int]:
    flat = pixels.flatten(1).long()
    return (256 * flat[:, 0] + flat[:, 1]).tolist()


def filled(batches: int, sizes: BankSizes, seed: int = 0) -> Bank:
    bank = Bank(SHAPE, 2, sizes)
    torch.manual_seed(seed)
    for batch in range(batches):
        bank.add(*numbered(32 * batch, 32))
    return bank


@pytest.fixture(autouse=True)
def _own_numbers():
    with torch.random.fork_rng():
        yield


def test_no_image_is_in_two_parts_and_each_keeps_its_answer():
    bank = filled(40, BankSizes(200, 50, 50))
    found = {part: bank.part(part) for part in PARTS}
    assert {part: len(pixels) for part, (pixels, _) in found.items()} == {"train": 200, "validation": 50, "test": 50}
    every = [number for pixels, _ in found.values() for number in numbers_of(pixels)]
    assert len(set(every)) == len(every)
    for pixels, logits in found.values():
        assert logits[:, 0].tolist() == numbers_of(pixels)
    assert bank.seen == 40 * 32


def test_the_ring_holds_the_newest():
    bank = filled(40, BankSizes(100, 10, 10))
    kept = numbers_of(bank.part("train")[0])
    assert min(kept) >= 32 * 36
    assert numbers_of(bank.newest(1)[0]) == [max(kept)]
    assert numbers_of(bank.oldest(1)[0]) == [min(kept)]


def test_a_sample_holds_images_of_the_whole_history_with_equal_chance():
    kept = [n for seed in range(20) for n in numbers_of(filled(100, BankSizes(50, 20, 20), seed).part("test")[0])]
    assert abs(sum(kept) / len(kept) - 1600) < 150  # of 0 to 3199: the standard error is 46
    assert min(kept) < 400
    assert max(kept) > 2800


def test_what_is_learned_from_is_of_the_ring_alone():
    bank = filled(10, BankSizes(100, 20, 20))
    drawn = set(numbers_of(bank.draw(500)[0]))
    assert drawn <= set(numbers_of(bank.part("train")[0]))
    assert len(drawn) > 90


def test_it_goes_on_from_its_state_as_if_nothing_had_been():
    sizes = BankSizes(100, 20, 20)
    bank, again = filled(10, sizes), Bank(SHAPE, 2, sizes)
    again.load(bank.state())
    for one in (bank, again):
        torch.manual_seed(5)
        one.add(*numbered(320, 32))
    for part in PARTS:
        assert all(torch.equal(a, b) for a, b in zip(bank.part(part), again.part(part), strict=True))


def test_logits_beyond_half_precision_stay_finite():
    bank = Bank(SHAPE, 2, BankSizes(50, 16, 16))
    bank.add(numbered(0, 32)[0], torch.full((32, 2), 1e6))
    assert bank.part("train")[1].isfinite().all()


def test_a_rare_class_is_drawn_as_often_as_the_others():
    bank = Bank(SHAPE, 3, BankSizes(300, 16, 16))
    pixels, _ = numbered(0, 256)
    logits = torch.zeros(256, 3)
    logits[:, 0] = 1
    logits[::16, 1] = 2
    bank.add(pixels, logits)
    drawn = bank.draw(2000)[1].argmax(1).bincount(minlength=3).tolist()
    assert drawn[2] == 0
    assert abs(drawn[1] - 1000) < 110  # five standard deviations
