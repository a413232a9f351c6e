"""Streams of random numbers that do not meet."""

from __future__ import annotations

import pytest
import torch

from kdsearch.data.seeds import mix_seed, seed_torch, seeded

CPU = torch.device("cpu")


def test_seeds_of_neighbours_differ_and_order_counts():
    made = {mix_seed(seed, epoch, step) for seed in range(8) for epoch in range(8) for step in range(8)}
    assert len(made) == 512
    assert mix_seed(1, 2) != mix_seed(2, 1)
    assert mix_seed(0, 5) == mix_seed(0, 5)


def test_seeds_fit_torch_and_use_all_its_bits():
    made = [mix_seed(0, step) for step in range(64)]
    assert all(0 <= seed < 2**63 for seed in made)
    assert max(made) > 2**61
    with pytest.raises(ValueError, match="non-negative"):
        mix_seed(-1)


def test_a_seeded_block_draws_what_manual_seed_draws_and_leaves_no_trace():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(9)
    before = torch.get_rng_state()
    with seeded(3, CPU):
        assert torch.equal(torch.rand(3), expected)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng(devices=[]):
        seed_torch(3, CPU)
        assert torch.equal(torch.rand(3), expected)
