"""LeNet-5 (LeCun et al. 1998) with ReLU and max pooling, for images from 28 to 32 pixels; with batch norm, if asked."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class LeNet5(nn.Module):
    """Two convolutions and three linear layers; any image size, by pooling to 5x5 before the linear layers.

    ``normed``: a batch norm behind each convolution, which then has no bias of its own.
    """

    def __init__(self, num_classes: int, in_channels: int, width: float, *, normed: bool = False) -> None:
        super().__init__()
        first, second, third, fourth = (max(1, round(size * width)) for size in (6, 16, 120, 84))
        self.conv1 = nn.Conv2d(in_channels, first, kernel_size=5, padding=2, bias=not normed)
        self.conv2 = nn.Conv2d(first, second, kernel_size=5, bias=not normed)
        self.bn1 = nn.BatchNorm2d(first) if normed else nn.Identity()
        self.bn2 = nn.BatchNorm2d(second) if normed else nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(5)
        self.fc1 = nn.Linear(second * 25, third)
        self.fc2 = nn.Linear(third, fourth)
        self.classifier = nn.Linear(fourth, num_classes)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        features = F.max_pool2d(F.relu(self.bn1(self.conv1(image_BCHW))), 2)
        features = self.pool(F.max_pool2d(F.relu(self.bn2(self.conv2(features))), 2))
        hidden = F.relu(self.fc1(features.flatten(1)))
        return self.classifier(F.relu(self.fc2(hidden)))


def lenet5(num_classes: int, in_channels: int, width: float) -> nn.Module:
    """LeNet-5; ``width`` multiplies all hidden sizes."""
    return LeNet5(num_classes, in_channels, width)


def lenet5bn(num_classes: int, in_channels: int, width: float) -> nn.Module:
    """LeNet-5 with batch norm, whose statistics tell of its images; ``width`` multiplies all hidden sizes."""
    return LeNet5(num_classes, in_channels, width, normed=True)
