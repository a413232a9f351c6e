"""Random nets at random genes: compact, cropped and zeroed nets agree, in training too, or a line says why not."""

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
CLOSE_TRAINED = 1e-3  # dividing by a batch's own deviation makes rounding larger
TRAINED = 3  # every third net is also trained a step


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
            if seed % TRAINED == 0:
                self.compare_trained(seed, net, space)
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

    def compare_trained(self, seed, net, space):
        """One forward and backward in training mode: outputs, statistics of batch norms, and every gradient."""
        for gene in (space.smallest, random_gene(space, np.random.default_rng(seed))):
            compact = space.build(gene)
            parameters = dict(net.named_parameters())
            crops = {
                name: tensor.detach().clone().requires_grad_(name in parameters)
                for name, tensor in space.crop(gene, space.layout.slots.tensors()).items()
            }
            own = train_step(compact, seed) | dict(compact.named_buffers())
            own |= {name: value.grad for name, value in compact.named_parameters()}
            with space.applied(gene, crops):
                other = train_step(net, seed)
            net.eval()
            other |= {name: value.grad if name in parameters else value for name, value in crops.items()}
            self.counts["trained"] += 1
            for name in own.keys() & other.keys():
                if not agree(own[name], other[name]):
                    self.faults.append(f"{seed} {net.names} {gene.values}: {name} differs in training")


def train_step(net, seed):
    """What a net gives in training mode, and the gradient that it hands to its images."""
    torch.manual_seed(seed)
    batch = torch.randn(4, *IMAGE, requires_grad=True)
    target = torch.randn(4, CLASSES)
    output = net.train()(batch)
    (output * target).sum().backward()
    return {"the output": output.detach(), "the images' gradient": batch.grad}


def agree(first, second):
    if first is None or second is None:
        return first is second
    return first.shape == second.shape and gap(first.double(), second.double()) < CLOSE_TRAINED


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
    assert found.counts["trained"] > 10
    assert np.mean(found.shares) > 0.9


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_thousand_random_nets_compute_the_same():
    found = examine(range(1000))
    assert found.faults == []
    assert found.counts["refused"] <= 20
    assert found.counts["zeroed"] > 1500
    assert found.counts["trained"] > 600
    assert np.mean(found.shares) > 0.9
