"""Random convolutional nets: every seed another one, of parts as nets in use are built."""

from __future__ import annotations

import random

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 5
ACROSS = {"group norm", "layer norm", "softmax"}
"""Parts that compute one channel by others, so that a dropped channel is not one that is zero."""


class LayerNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Excite(nn.Module):
    """Squeeze and excitation; by convolutions or by linear layers."""

    def __init__(self, width, dice):
        super().__init__()
        self.is_linear = dice.random() < 0.5
        kind = nn.Linear if self.is_linear else (lambda a, b: nn.Conv2d(a, b, 1))
        self.squeeze, self.excite = kind(width, max(2, width // 4)), kind(max(2, width // 4), width)

    def forward(self, x):
        pooled = x.mean((2, 3)) if self.is_linear else F.adaptive_avg_pool2d(x, 1)
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(pooled))))
        return x * (gate[:, :, None, None] if self.is_linear else gate)


class SpatialGate(nn.Module):
    """One map, a convolution's, laid over all channels."""

    def __init__(self, width):
        super().__init__()
        self.gate = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x):
        return x * torch.sigmoid(self.gate(x))


class Bottleneck(nn.Module):
    """Inverted residual: wider, depthwise, back, added."""

    def __init__(self, width, dice):
        super().__init__()
        middle = width * dice.choice((1, 2, 3))
        self.expand, self.back = nn.Conv2d(width, middle, 1), nn.Conv2d(middle, width, 1)
        self.depthwise = nn.Conv2d(middle, middle, 3, padding=1, groups=middle)
        self.norm = nn.BatchNorm2d(middle)

    def forward(self, x):
        return x + self.back(F.relu6(self.norm(self.depthwise(F.relu6(self.expand(x))))))


class Dense(nn.Module):
    """New maps joined to those that came."""

    def __init__(self, width, dice):
        super().__init__()
        self.more = nn.Conv2d(width, dice.choice((4, 8)), 3, padding=1)
        self.leaving = width + self.more.out_channels

    def forward(self, x):
        return torch.cat((x, F.relu(self.more(x))), 1)


class Inception(nn.Module):
    """Branches of several kernels, joined."""

    def __init__(self, width, dice):
        super().__init__()
        sizes = [dice.choice((4, 6, 8)) for _ in range(3)]
        self.branches = nn.ModuleList(
            nn.Conv2d(width, size, kernel, padding=kernel // 2) for size, kernel in zip(sizes, (1, 3, 5), strict=True)
        )
        self.leaving = sum(sizes)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Sliced(nn.Module):
    """Part of the channels worked on; how many is remembered, or asked of the tensor."""

    def __init__(self, width, dice):
        super().__init__()
        self.n, self.how = width // dice.choice((2, 4)), dice.choice(("slice", "narrow", "split", "chunk"))
        self.rest = width - self.n
        if self.how == "chunk":
            self.n = self.rest = width // 2
        self.work = nn.Conv2d(self.n, self.n, 3, padding=1)

    def forward(self, x):
        if self.how == "slice":
            first, second = x[:, : self.n], x[:, self.n :]
        elif self.how == "narrow":
            first, second = x.narrow(1, 0, self.n), x.narrow(1, self.n, self.rest)
        else:
            first, second = x.chunk(2, 1) if self.how == "chunk" else x.split([self.n, self.rest], 1)
        return torch.cat((self.work(first), second), 1)


class Shuffled(nn.Module):
    """Channels in another order, by groups."""

    def __init__(self, dice):
        super().__init__()
        self.is_module = dice.random() < 0.5
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x):
        batch, channels, height, width = x.shape
        if self.is_module:
            return self.shuffle(x)
        return x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)


class Subpixel(nn.Module):
    """Four times as many maps, laid between the pixels, and the size of before."""

    def __init__(self, width, dice):
        super().__init__()
        self.more, self.is_down = nn.Conv2d(width, 4 * width, 1), dice.random() < 0.5
        self.back = nn.Conv2d(4 * width, width, 1)

    def forward(self, x):
        x = F.pixel_shuffle(self.more(x), 2)
        return self.back(F.pixel_unshuffle(x, 2)) if self.is_down else F.max_pool2d(x, 2)


class Twice(nn.Module):
    """One convolution called twice."""

    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return self.conv(F.relu(self.conv(x)))


class Functional(nn.Module):
    """A convolution with parameters of the module's own, and a scale."""

    def __init__(self, width, leaving):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(leaving, width, 3, 3) * (width * 9) ** -0.5)
        self.bias, self.scale = nn.Parameter(torch.randn(leaving)), nn.Parameter(torch.rand(leaving, 1, 1))

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, padding=1) * self.scale


class Attention(nn.Module):
    """Weights over the channels that sum to one."""

    def forward(self, x):
        return x * F.softmax(x.mean((2, 3), keepdim=True), 1)


class Remembering(nn.Module):
    """A view to numbers that the module remembers, and back."""

    def __init__(self, width):
        super().__init__()
        self.width, self.conv = width, nn.Conv2d(width, width, 1)

    def forward(self, x):
        height, width = x.shape[2:]
        tokens = self.conv(x).reshape(x.shape[0], self.width, height * width).transpose(1, 2)
        return F.gelu(tokens).transpose(1, 2).reshape(-1, self.width, height, width)


class Unlike(nn.Module):
    """A residual addition, its shortcut a convolution or a padding of channels."""

    def __init__(self, width, leaving):
        super().__init__()
        self.a, self.b = nn.Conv2d(width, leaving, 3, padding=1), nn.Conv2d(leaving, leaving, 3, padding=1)
        self.norm, self.shortcut = nn.BatchNorm2d(leaving), nn.Conv2d(width, leaving, 1)

    def forward(self, x):
        return F.relu(self.b(F.relu(self.norm(self.a(x)))) + self.shortcut(x))


def _convolution(width, leaving, dice):
    kind = dice.choice(("plain", "plain", "grouped", "dilated", "transposed", "circular", "pair"))
    if kind == "grouped" and width % 2 == leaving % 2 == 0:
        return nn.Conv2d(width, leaving, 3, padding=1, groups=2)
    if kind == "dilated":
        return nn.Conv2d(width, leaving, 3, padding=2, dilation=2)
    if kind == "transposed":
        return nn.ConvTranspose2d(width, leaving, 3, padding=1)
    if kind == "circular":
        return nn.Conv2d(width, leaving, 3, padding=1, padding_mode="circular")
    if kind == "pair":
        along = nn.Conv2d(width, leaving, (3, 1), padding=(1, 0))
        return nn.Sequential(along, nn.ZeroPad2d((1, 1, 0, 0)), nn.Conv2d(leaving, leaving, (1, 3)))
    return nn.Conv2d(width, leaving, 3, padding=1, bias=dice.random() < 0.5)


class RandomNet(nn.Module):
    """A stem, three to six random parts, and a head; ``parts`` names them."""

    def __init__(self, seed):
        super().__init__()
        dice = random.Random(seed)
        torch.manual_seed(seed)
        width = dice.choice((8, 12, 16))
        self.names, self.side = [], 8
        self.blocks = nn.ModuleList([nn.Conv2d(3, width, 3, padding=1)])
        for _ in range(dice.randint(3, 6)):
            width = self._grow(width, dice)
        self.pool = dice.choice(("mean", "adaptive", "flatten", "max"))
        self.hidden = nn.Linear(width * (self.side**2 if self.pool == "flatten" else 1), 12)
        self.classifier = nn.Linear(12, CLASSES)

    def _grow(self, width, dice):
        leaving = dice.choice((8, 12, 16, width))
        parts = _parts(width, leaving, dice)
        name = dice.choice([name for name in parts if name != "pool" or self.side > 2])
        block = parts[name]()
        self.names.append(name)
        self.blocks.append(block)
        width = getattr(block, "leaving", leaving if name in _CHANGING else width)
        self.side //= 2 if name == "pool" else 1
        return width

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        if self.pool == "flatten":
            x = x.flatten(1)
        elif self.pool == "adaptive":
            x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        else:
            x = x.mean((2, 3)) if self.pool == "mean" else x.amax((2, 3))
        return self.classifier(F.relu(self.hidden(x)))


_CHANGING = ("convolution", "functional", "unlike")


def _parts(width, leaving, dice):
    return {
        "convolution": lambda: _convolution(width, leaving, dice),
        "functional": lambda: Functional(width, leaving),
        "unlike": lambda: Unlike(width, leaving),
        "batch norm": lambda: nn.Sequential(nn.BatchNorm2d(width), dice.choice((nn.ReLU, nn.Hardswish, nn.PReLU))()),
        "group norm": lambda: nn.GroupNorm(dice.choice((1, 2, 4 if width % 4 == 0 else 2)), width),
        "layer norm": lambda: LayerNorm(width),
        "excite": lambda: Excite(width, dice),
        "gate": lambda: SpatialGate(width),
        "bottleneck": lambda: Bottleneck(width, dice),
        "dense": lambda: Dense(width, dice),
        "inception": lambda: Inception(width, dice),
        "sliced": lambda: Sliced(width, dice),
        "shuffled": lambda: Shuffled(dice),
        "subpixel": lambda: Subpixel(width, dice),
        "twice": lambda: Twice(width),
        "remembering": lambda: Remembering(width),
        "softmax": Attention,
        "pool": lambda: dice.choice((nn.MaxPool2d, nn.AvgPool2d))(2),
    }
