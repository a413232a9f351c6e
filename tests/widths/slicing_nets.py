"""Nets of parts that remember how many channels they slice, split, join or shuffle."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def conv(arriving, leaving, kernel=3, groups=1):
    return nn.Conv2d(arriving, leaving, kernel, padding=kernel // 2, groups=groups, bias=False)


class Partial(nn.Module):
    """FasterNet: a convolution on the first channels; ``how`` it takes them."""

    def __init__(self, width, how):
        super().__init__()
        self.n, self.rest, self.how = width // 4, width - width // 4, how
        self.conv = conv(self.n, self.n)

    def forward(self, x):
        if self.how == "slice":
            return torch.cat([self.conv(x[:, : self.n]), x[:, self.n :]], 1)
        if self.how == "narrow":
            return torch.cat([self.conv(x.narrow(1, 0, self.n)), x.narrow(1, self.n, self.rest)], 1)
        if self.how == "split":
            first, second = torch.split(x, [self.n, self.rest], dim=1)
            return torch.cat([self.conv(first), second], 1)
        return torch.cat([x[:, : self.rest], self.conv(x[:, self.rest :])], 1)


class Ghost(nn.Module):
    """GhostNet: cheap maps beside a convolution's, cut to the width asked for."""

    def __init__(self, width, how):
        super().__init__()
        self.oup, self.init_channels = width, width // 2
        self.primary = conv(width, self.init_channels, 1)
        self.cheap = conv(self.init_channels, self.init_channels, 3, groups=self.init_channels)
        self.how = how

    def forward(self, x):
        first = F.relu(self.primary(x))
        both = torch.cat([first, self.cheap(first)], 1)
        return both[:, : self.oup] if self.how == "slice" else both.narrow(1, 0, self.oup)


class Shuffle(nn.Module):
    """ShuffleNet v2: half of the channels is worked on, then both are shuffled."""

    def __init__(self, width, how):
        super().__init__()
        self.half, self.how = width // 2, how
        self.a, self.b = conv(self.half, self.half, 1), conv(self.half, self.half, 3, groups=self.half)

    def forward(self, x):
        left, right = x.chunk(2, 1) if self.how == "chunk" else (x[:, : self.half], x[:, self.half :])
        x = torch.cat([left, self.b(F.relu(self.a(right)))], 1)
        batch, channels, height, width = x.shape
        per_group = self.half if self.how == "view" else channels // 2
        return x.view(batch, 2, per_group, height, width).transpose(1, 2).reshape(batch, -1, height, width)


class Res2(nn.Module):
    """Res2Net: pieces of one width, each added to what came of the one before."""

    def __init__(self, width, how):
        super().__init__()
        self.width, self.how = width // 4, how
        self.convs = nn.ModuleList(conv(self.width, self.width) for _ in range(3))

    def forward(self, x):
        if self.how == "slice":
            pieces = [x[:, at * self.width : (at + 1) * self.width] for at in range(4)]
        else:
            pieces = list(torch.split(x, self.width, 1))
        done = [pieces[0]]
        for piece, layer in zip(pieces[1:], self.convs, strict=True):
            done.append(F.relu(layer(piece + done[-1] if len(done) > 1 else piece)))
        return torch.cat(done, 1)


class CSP(nn.Module):
    """CSPNet, C2f: one part passes, the other goes through layers; all are joined."""

    def __init__(self, width, how):
        super().__init__()
        self.c, self.how = width // 2, how
        self.m = conv(self.c, self.c)
        self.last = conv(3 * self.c, width, 1)

    def forward(self, x):
        parts = list(x.split((self.c, self.c), 1)) if self.how == "split" else [x[:, : self.c], x[:, self.c :]]
        return self.last(torch.cat([*parts, F.relu(self.m(parts[-1]))], 1))


PARTS = (
    *((Partial, how) for how in ("slice", "narrow", "split", "last")),
    *((Ghost, how) for how in ("slice", "narrow")),
    *((Shuffle, how) for how in ("chunk", "slice", "view")),
    *((Res2, how) for how in ("slice", "split")),
    *((CSP, how) for how in ("slice", "split")),
)


class Slicing(nn.Module):
    """A stem, two such parts with layers between, and a head."""

    def __init__(self, kind, how, width):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, 2, 1)
        self.first = kind(width, how)
        self.a, self.b = conv(width, 2 * width, 1), conv(2 * width, width, 1)
        self.second = kind(width, how)
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = self.b(F.relu(self.a(self.first(x))))
        return self.head(self.second(x).mean((2, 3)))
