from __future__ import annotations

import torch
from torch import nn

from kdsearch.datafree.taps import SynthesisTaps, kept_norms
from tests.toys import make_toy


def test_it_gives_what_the_classifier_reads_and_a_distance_of_each_batch_norm():
    net = make_toy(trained=True).eval().requires_grad_(False)
    image = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    with SynthesisTaps(net, "classifier", batch_norms=True) as taps:
        logits = net(image)
        feature, distances = taps.take()
    assert torch.equal(net.classifier(feature), logits)
    assert len(distances) == len(kept_norms(net)) == 5
    seen = net.stem[0](image)
    norm = net.stem[1]
    expected = (seen.mean((0, 2, 3)) - norm.running_mean).norm() + (
        seen.transpose(0, 1).flatten(1).var(1, correction=0) - norm.running_var
    ).norm()
    assert torch.allclose(distances[0], expected)
    sum(distances).backward()
    assert image.grad.abs().sum() > 0


def test_images_with_the_statistics_that_a_norm_keeps_are_at_no_distance():
    images = torch.randn(64, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    norm = nn.BatchNorm2d(3, momentum=None)
    norm(images)
    norm.eval()
    with SynthesisTaps(nn.Sequential(norm), None, batch_norms=True) as taps:
        norm(images)
        (distance,) = taps.take()[1]
    assert distance < 0.01  # the norm keeps the unbiased variance


def test_nothing_stays_on_the_net():
    net = make_toy()
    with SynthesisTaps(net, "classifier", batch_norms=True):
        pass
    assert not any(module._forward_pre_hooks for module in net.modules())
