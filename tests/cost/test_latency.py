from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from kdsearch.cost.deployed import Deployed
from kdsearch.cost.latency import compare_latency, measure_latency

EXAMPLE = torch.zeros(1, 1, 4, 4)


def sleep_ms(milliseconds: float):
    def net(batch):
        time.sleep(milliseconds / 1e3)
        return batch

    return net


def test_wall_time_counts_waiting_and_thread_time_does_not():
    measured = measure_latency({"slow": sleep_ms(3), "fast": sleep_ms(1)}, EXAMPLE, runs=20, warmup=1)
    assert measured["slow"].wall_ms >= 3
    assert 1 <= measured["fast"].wall_ms < measured["slow"].wall_ms
    assert measured["slow"].thread_ms < 1
    assert measured["slow"].wall_p10_ms <= measured["slow"].wall_ms <= measured["slow"].wall_p90_ms


def test_nets_take_turns_in_an_order_that_changes():
    calls: list[str] = []
    nets = {name: (lambda _, name=name: calls.append(name)) for name in "abc"}
    measure_latency(nets, EXAMPLE, runs=50, warmup=10)
    rounds = [calls[start : start + 3] for start in range(0, len(calls), 3)]
    assert len(rounds) == 60
    assert all(sorted(turn) == ["a", "b", "c"] for turn in rounds)
    assert len({tuple(turn) for turn in rounds}) == 6


def test_one_thread_while_measuring_and_the_old_number_after():
    before = torch.get_num_threads()
    seen: list[int] = []
    measure_latency({"net": lambda _: seen.append(torch.get_num_threads())}, EXAMPLE, runs=2, warmup=0)
    assert seen == [1, 1]
    assert torch.get_num_threads() == before


def test_nothing_to_measure_is_an_error():
    with pytest.raises(ValueError, match="0 nets"):
        measure_latency({}, EXAMPLE)


def test_eager_and_frozen_are_measured_with_machine_and_threads():
    small, large = (nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width)) for width in (2, 128))
    nets = {name: Deployed(net, (0.5,), (0.5,)) for name, net in (("small", small), ("large", large))}
    measured = compare_latency(nets, (1, 32, 32), runs=10)
    assert set(measured) == {"small", "large"}
    assert measured["small"]["threads"] == 1
    assert measured["small"]["machine"]["cores"] >= 1
    for form in ("eager", "frozen"):
        assert measured["small"][form]["runs"] == 10
        assert 0 < measured["small"][form]["thread_ms"] < measured["large"][form]["thread_ms"]
