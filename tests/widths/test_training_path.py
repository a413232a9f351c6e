"""Nets whose forward differs between training and evaluation: both ways run at every width."""

from __future__ import annotations

from collections import namedtuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kdsearch.cost.flops import count_costs
from kdsearch.errors import SpecError, WidthError
from kdsearch.models.given import Trial, make_plain
from kdsearch.pruningnet.supernet import training_tensors
from kdsearch.spec.sections import WidthOptions
from kdsearch.tracing.modes import training_steadily
from kdsearch.widths.finding import find_widths

IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
SHAPE = (3, 8, 8)
TRIAL = Trial(IMAGES[:2], 5)
Outputs = namedtuple("Outputs", "aux logits")


class Net(nn.Module):
    """A trunk of two convolutions and a head; ``aux`` reads what lies between them."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.b = nn.Sequential(nn.Conv2d(16, 12, 3, padding=1), nn.ReLU())
        self.aux = nn.Sequential(nn.Conv2d(16, 6, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5))
        self.h = nn.Linear(12, 5)

    def parts(self, image):
        early = self.a(image)
        return early, self.h(F.dropout(self.b(early).mean((2, 3)), 0.3, self.training))


class Tuple(Net):
    def forward(self, image):
        early, logits = self.parts(image)
        return (logits, self.aux(early)) if self.training else logits


class AuxFirst(Net):
    def forward(self, image):
        early, logits = self.parts(image)
        return [self.aux(early), logits] if self.training else logits


class Dictionary(Net):
    def forward(self, image):
        early, logits = self.parts(image)
        return {"aux": self.aux(early), "logits": logits} if self.training else {"logits": logits}


class Named(Net):
    def forward(self, image):
        early, logits = self.parts(image)
        return Outputs(self.aux(early), logits) if self.training else logits


class Maps(Net):
    """Feature maps beside the logits, in both modes."""

    def forward(self, image):
        early, logits = self.parts(image)
        return logits, [early, early.mean((2, 3))]


class Added(Net):
    def forward(self, image):
        early, logits = self.parts(image)
        return logits + 0.3 * self.aux(early) if self.training else logits


class Branch(Net):
    """A branch that is added to the trunk in training only, as wide as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.side = nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, image):
        early = self.a(image)
        early = early + self.side(early) if self.training else early
        return self.h(self.b(early).mean((2, 3)))


class Longer(Net):
    """Another order of layers in training, and a layer that evaluation leaves out between two others."""

    def __init__(self) -> None:
        super().__init__()
        self.side = nn.Conv2d(12, 12, 1)

    def forward(self, image):
        late = self.b(self.a(image))
        return self.h((self.side(late) if self.training else late).mean((2, 3)))


class Nested(nn.Module):
    """The branch lies in a module deep inside."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(Branch(), nn.Tanh())
        self.last = nn.Linear(5, 5)

    def forward(self, image):
        return self.last(self.body(image))


class DropsPath(Net):
    def forward(self, image):
        _, logits = self.parts(image)
        if self.training:
            keep = torch.rand(len(image), 1) > 0.2
            return logits * keep / 0.8
        return logits


FOLLOWED = (Tuple, AuxFirst, Dictionary, Named, Maps, Added, Branch, Longer, Nested, DropsPath)


def plain(kind: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        net = make_plain(kind(), TRIAL)
    with torch.no_grad():
        for name, value in net.named_buffers():
            if "running" in name:
                value.add_(torch.rand_like(value))
    return net


@pytest.mark.parametrize("kind", FOLLOWED)
@pytest.mark.parametrize("scale", [0.1, 0.5, 1.0])
def test_cropped_and_compact_net_agree_on_both_ways(kind, scale):
    net = plain(kind)
    widths = find_widths(net, (3, 8, 8), WidthOptions(divisor=1))
    assert {"a.0", "b.0"} <= {group.name.removeprefix("body.0.") for group in widths.groups}
    gene = widths.uniform(scale)
    widths.verify(gene, IMAGES)
    compact = widths.build(gene)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        with training_steadily(compact):
            built = compact(IMAGES)
        torch.manual_seed(0)
        with widths.applied(gene), training_steadily(net):
            cropped = net(IMAGES)
    assert built.shape == (4, 5)
    torch.testing.assert_close(built, cropped)


@pytest.mark.parametrize("kind", FOLLOWED)
def test_both_can_be_trained(kind):
    net = plain(kind)
    widths = find_widths(net, (3, 8, 8), WidthOptions(divisor=1))
    gene = widths.uniform(0.5)
    widths.build(gene).train()(IMAGES).square().sum().backward()
    weights = {name: widths.crop(gene, {name: value})[name].detach() for name, value in net.named_parameters()}
    leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
    net.train()
    with widths.applied(gene, training_tensors(net, widths, gene, leaves)):
        net(IMAGES).square().sum().backward()
    assert leaves["a.0.weight" if kind is not Nested else "last.weight"].grad.abs().sum() > 0


def test_a_head_of_training_alone_has_no_gene():
    widths = find_widths(plain(Tuple), (3, 8, 8), WidthOptions(divisor=1))
    assert [group.name for group in widths.groups] == ["a.0", "b.0"]
    assert dict(widths.frozen)["h"] == "gives the net's output"


def test_a_branch_of_training_alone_follows_what_it_is_added_to():
    widths = find_widths(plain(Branch), (3, 8, 8), WidthOptions(divisor=1))
    compact = widths.build(widths.uniform(0.5))
    assert compact.side.weight.shape[:2] == (8, 8)


@pytest.mark.parametrize("kind", FOLLOWED)
def test_evaluation_and_training_give_logits_alone(kind):
    net = plain(kind)
    assert net.train()(IMAGES).shape == net.eval()(IMAGES).shape == (4, 5)


UNREAD = {Branch: ("aux", "side"), Longer: ("aux", "side"), Nested: ("body.0.aux", "body.0.side")}


@pytest.mark.parametrize("kind", FOLLOWED)
def test_what_evaluation_never_reads_costs_nothing(kind):
    net = plain(kind)
    space = find_widths(net, SHAPE, WidthOptions(divisor=1))
    for gene in (space.full, space.smallest):
        compact = space.build(gene)
        costs, unread = space.costs(gene), UNREAD.get(kind, ("aux",))
        tensors = {name: t for name, t in compact.state_dict().items() if not name.startswith(unread)}
        assert costs["size_bytes"] == 4 * sum(t.numel() for t in tensors.values())
        assert costs["parameters"] == sum(p.numel() for name, p in compact.named_parameters() if name in tensors)
        assert count_costs(compact, SHAPE) == costs


def test_an_exported_file_holds_what_is_counted():
    net = plain(Tuple)
    costs = count_costs(net, SHAPE)
    traced = torch.jit.freeze(torch.jit.trace(net.eval(), torch.zeros(1, *SHAPE)))
    held = [node.t("value") for node in traced.graph.findAllNodes("prim::Constant") if _holds_tensor(node)]
    folded = sum(p.numel() for p in net.a[1].parameters())  # into the convolution
    assert sum(tensor.numel() for tensor in held if tensor.ndim) == costs["parameters"] - folded


def _holds_tensor(node):
    return "value" in node.attributeNames() and node.kindOf("value") == "t"


class Twins(Net):
    """Two heads in training, their mean in evaluation."""

    def forward(self, image):
        early, logits = self.parts(image)
        other = self.aux(early)
        return (logits, other) if self.training else (logits + other) / 2


class TwoHeads(Net):
    def forward(self, image):
        early, logits = self.parts(image)
        return logits, self.aux(early)


class OtherClasses(Net):
    def forward(self, image):
        early, logits = self.parts(image)
        return early.mean((2, 3)) if self.training else logits


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Twins, "gives 2 tensors in training, and none of them is what it gives in evaluation; let its forward"),
        (TwoHeads, "gives 2 tensors of 5 columns; let its forward return the logits"),
        (OtherClasses, "gives 1 tensors in training, and none of them is what it gives in evaluation"),
    ],
)
def test_what_tells_no_main_output_is_refused_in_a_line(kind, said):
    with pytest.raises(SpecError, match=said):
        make_plain(kind(), TRIAL)


class Breaks(Net):
    def forward(self, image):
        early, logits = self.parts(image)
        return logits @ early if self.training else logits


def test_a_net_that_breaks_in_training_is_named_when_its_widths_are_asked_for():
    with pytest.raises(WidthError, match="Breaks does not run in training mode"):
        find_widths(Breaks(), (3, 8, 8))
    with pytest.raises(SpecError, match=r"does not run in training mode: .*; let its forward take images alone"):
        make_plain(Breaks(), TRIAL)
