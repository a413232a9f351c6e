"""ResNets for 32-pixel images: 3 stages of 16, 32 and 64 channels (He et al. 2016, section 4.2)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two 3x3 convolutions around a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, arriving: int, leaving: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(arriving, leaving, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(leaving)
        self.conv2 = nn.Conv2d(leaving, leaving, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(leaving)
        self.shortcut = nn.Sequential()
        if stride > 1 or arriving != leaving:
            conv = nn.Conv2d(arriving, leaving, 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(leaving))

    def forward(self, features_BCHW: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(features_BCHW)))
        return F.relu(self.bn2(self.conv2(inner)) + self.shortcut(features_BCHW))


class CifarResNet(nn.Module):
    """A ResNet of 6n + 2 layers with projection shortcuts, so that every stage may have any width."""

    def __init__(self, blocks: int, num_classes: int, in_channels: int, width: float) -> None:
        super().__init__()
        widths = [max(1, round(size * width)) for size in (16, 32, 64)]
        self.conv1 = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        stages, arriving = [], widths[0]
        for stage, leaving in enumerate(widths):
            strides = [2 if stage else 1] + [1] * (blocks - 1)
            stages.append(
                nn.Sequential(*(Block(arriving if at == 0 else leaving, leaving, s) for at, s in enumerate(strides)))
            )
            arriving = leaving
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(arriving, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image_BCHW: Tensor) -> Tensor:
        features = self.stages(F.relu(self.bn1(self.conv1(image_BCHW))))
        return self.classifier(self.pool(features).flatten(1))


def resnet8(num_classes: int, in_channels: int, width: float) -> nn.Module:
    """ResNet-8; ``width`` multiplies the stages' channels."""
    return CifarResNet(1, num_classes, in_channels, width)


def resnet20(num_classes: int, in_channels: int, width: float) -> nn.Module:
    """ResNet-20; ``width`` multiplies the stages' channels."""
    return CifarResNet(3, num_classes, in_channels, width)


def resnet56(num_classes: int, in_channels: int, width: float) -> nn.Module:
    """ResNet-56; ``width`` multiplies the stages' channels."""
    return CifarResNet(9, num_classes, in_channels, width)
