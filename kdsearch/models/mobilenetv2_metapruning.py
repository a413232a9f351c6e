"""MobileNetV2 as MetaPruning's supernet has it (Liu et al. 2019): 1.4 times as wide, with an expansion in every block.

Stem 44, blocks of 22, 33, 44, 88, 132, 224 and 448 channels, head 1280. Unlike MobileNetV2 (Sandler et al. 2018) the
first block has a 1x1 convolution before its depthwise one too (of ratio 1), so that every block has an inner width:
8 stage widths and 17 inner ones.
"""

from __future__ import annotations

from torch import Tensor, nn

# channels, blocks, stride of the first, expansion
_STAGES = (
    (22, 1, 1, 1),
    (33, 2, 2, 6),
    (44, 3, 2, 6),
    (88, 4, 2, 6),
    (132, 3, 1, 6),
    (224, 3, 2, 6),
    (448, 1, 1, 6),
)
_STEM, _HEAD = 44, 1280


def _conv(arriving: int, leaving: int, kernel: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(arriving, leaving, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out")
    return [conv, nn.BatchNorm2d(leaving)]


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise, 1x1 projection; a shortcut where the shape stays."""

    def __init__(self, arriving: int, leaving: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = arriving * expansion
        self.expand = nn.Sequential(*_conv(arriving, inner, 1), nn.ReLU6(inplace=True))
        self.depthwise = nn.Sequential(*_conv(inner, inner, 3, stride=stride, groups=inner), nn.ReLU6(inplace=True))
        self.project = nn.Sequential(*_conv(inner, leaving, 1))
        self.has_shortcut = stride == 1 and arriving == leaving

    def forward(self, features_BCHW: Tensor) -> Tensor:
        inner = self.project(self.depthwise(self.expand(features_BCHW)))
        return features_BCHW + inner if self.has_shortcut else inner


class MetaPruningMobileNetV2(nn.Module):
    """The full net of the paper's MobileNetV2 search."""

    def __init__(self, num_classes: int, in_channels: int, width: float) -> None:
        super().__init__()
        stem = max(1, round(_STEM * width))
        self.stem = nn.Sequential(*_conv(in_channels, stem, 3, stride=2), nn.ReLU6(inplace=True))
        blocks, arriving = [], stem
        for size, repeats, stride, expansion in _STAGES:
            leaving = max(1, round(size * width))
            for number in range(repeats):
                blocks.append(InvertedResidual(arriving, leaving, stride if number == 0 else 1, expansion))
                arriving = leaving
        self.blocks = nn.Sequential(*blocks)
        head = max(1, round(_HEAD * width))
        self.head = nn.Sequential(*_conv(arriving, head, 1), nn.ReLU6(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(head, num_classes)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        features = self.head(self.blocks(self.stem(image_BCHW)))
        return self.classifier(self.pool(features).flatten(1))


def mobilenetv2_metapruning(num_classes: int, in_channels: int, width: float) -> nn.Module:
    """The paper's MobileNetV2 x1.4; ``width`` multiplies all channels once more."""
    return MetaPruningMobileNetV2(num_classes, in_channels, width)
