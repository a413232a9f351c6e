"""Small nets for the tests of widths, and what several tests do with them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kdsearch.candidates.space import Candidate
from kdsearch.models.zoo import make_net
from kdsearch.spec.sections import StudentOptions, WidthOptions
from kdsearch.widths.crop import put
from kdsearch.widths.finding import find_widths
from kdsearch.widths.space import WidthSpace


def conv(arriving, leaving, kernel=3, groups=1):
    return nn.Conv2d(arriving, leaving, kernel, padding=kernel // 2, groups=groups, bias=False)


class Residual(nn.Module):
    """A shortcut, a depthwise convolution and squeeze-and-excitation."""

    def __init__(self):
        super().__init__()
        self.stem = conv(3, 24)
        self.bn = nn.BatchNorm2d(24)
        self.expand = conv(24, 40, 1)
        self.depthwise = conv(40, 40, 3, groups=40)
        self.squeeze = nn.Linear(40, 8)
        self.excite = nn.Linear(8, 40)
        self.project = conv(40, 24, 1)
        self.classifier = nn.Linear(24, 5)

    def forward(self, x):
        x = torch.relu(self.bn(self.stem(x)))
        y = torch.relu(self.depthwise(self.expand(x)))
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(y.mean((2, 3))))))
        x = x + self.project(y * gate[:, :, None, None])
        return self.classifier(x.mean((2, 3)))


class Split(nn.Module):
    """A split by a remembered size, a chunk, a concatenation, a shuffle and a flatten."""

    def __init__(self):
        super().__init__()
        self.widths = [32, 16]
        self.stem = conv(3, 48)
        self.first = conv(16, 24)
        self.second = conv(24, 20)
        self.last = conv(52, 32)
        self.hidden = nn.Linear(32 * 16, 30)
        self.classifier = nn.Linear(30, 5)

    def forward(self, x):
        kept, worked = torch.relu(self.stem(x)).split(self.widths, dim=1)
        left, _ = kept.chunk(2, dim=1)
        worked = self.second(torch.relu(self.first(worked + left)))
        x = torch.cat((kept, worked), dim=1)
        x = torch.relu(self.last(x))
        x = nn.functional.adaptive_avg_pool2d(x, 4)
        return self.classifier(torch.relu(self.hidden(x.flatten(1))))


def widths_of(name=None, image=(3, 32, 32), options=None, **student) -> WidthSpace:
    """The width space of a named net with random batch-norm statistics."""
    student = {"timm": name} if name else student
    net = make_net(StudentOptions(**student), num_classes=5, in_channels=image[0])
    return find_widths(shaken(net), image, options or WidthOptions())


def shaken(net: nn.Module) -> nn.Module:
    """The net with norms and biases that are no longer 0 and 1, so that nothing cancels out."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    tensor.uniform_(0.5, 1.5, generator=generator)
                for tensor in (module.bias, module.running_mean):
                    tensor.uniform_(-0.2, 0.2, generator=generator)
    return net.eval()


def random_gene(space: WidthSpace, rng) -> Candidate:
    return Candidate.of({group.name: int(rng.choice(group.choices)) for group in space.groups})


def zeroed(space: WidthSpace, gene: Candidate) -> dict[str, Tensor]:
    """The net's full tensors with zeros wherever the gene drops something."""
    crop = space.decode(gene)
    own = space.layout.slots.tensors()
    result = {}
    for name, tensor in own.items():
        result[name] = torch.zeros_like(tensor)
        put(result[name], crop.index[name], crop.take(name, tensor.detach()))
    return result


def gap(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max() / max(1.0, float(second.abs().max())))
