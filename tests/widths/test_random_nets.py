"""Random nets at random genes: compact, cropped and zeroed nets agree, or a line says why there is none."""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from kdsearch.errors import KdsearchError
from kdsearch.tracing.tracer import FOREIGN_ERRORS
from kdsearch.widths.finding import find_widths
from tests.models.nets import gap, random_gene, shaken, zeroed
from tests.widths.random_nets import ACROSS, CLASSES, RandomNet

IMAGE = (3, 8, 8)
CLOSE = 1e-4


@dataclass
class Found:
    """What became of some nets: how often a thing happened, what went wrong, and which share could be cropped."""

    counts: Counter = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def examine(self, seed):
        net = shaken(RandomNet(seed))
        try:
            space = find_widths(net, IMAGE)
            self.shares.append(space.croppable_share())
            self.compare(seed, net, space)
        except KdsearchError as error:
            self.counts["refused"] += 1
            self.refusals.append(f"{seed} {net.names}: {error}")
        except FOREIGN_ERRORS:
            self.faults.append(f"{seed} {net.names}: {traceback.format_exc(limit=-3)}")

    def compare(self, seed, net, space):
        rng = np.random.default_rng(seed)
        batch = torch.randn(2, *IMAGE, generator=torch.Generator().manual_seed(seed))
        for gene in (space.smallest, space.uniform(0.5), random_gene(space, rng), random_gene(space, rng)):
            with torch.no_grad():
                compact = space.build(gene).eval()(batch)
                with space.applied(gene):
                    others = {"cropped": net(batch)}
                if not ACROSS & set(net.names):
                    with space.applied(space.full, zeroed(space, gene)):
                        others["zeroed"] = net(batch)
            self.counts["genes"] += 1
            for kind, other in others.items():
                self.counts[kind] += 1
                if compact.shape != (2, CLASSES) or other.shape != compact.shape or not gap(compact, other) < CLOSE:
                    self.faults.append(f"{seed} {net.names} {gene.values}: compact and {kind} differ")


def examine(seeds):
    found = Found()
    for seed in seeds:
        found.examine(seed)
    return found


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_random_nets_compute_the_same_cropped_compact_and_zeroed():
    found = examine(range(25))
    assert found.faults == []
    assert found.refusals == []
    assert found.counts["zeroed"] > 30
    assert np.mean(found.shares) > 0.9


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_thousand_random_nets_compute_the_same():
    found = examine(range(1000))
    assert found.faults == []
    assert found.counts["refused"] <= 20
    assert found.counts["zeroed"] > 1500
    assert np.mean(found.shares) > 0.9
