"""VGG nets with batch norm for 32-pixel images: the convolutions of Simonyan and Zisserman 2015, one linear layer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

_VGG11 = ((64,), (128,), (256, 256), (512, 512), (512, 512))
_VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class CifarVGG(nn.Module):
    """Stages of 3x3 convolutions with max pooling between them, then global average pooling and the classifier."""

    def __init__(self, stages: Sequence[Sequence[int]], num_classes: int, in_channels: int, width: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        arriving = in_channels
        for number, stage in enumerate(stages):
            if number:
                layers.append(nn.MaxPool2d(2))
            for size in stage:
                leaving = max(1, round(size * width))
                conv = nn.Conv2d(arriving, leaving, 3, padding=1, bias=False)
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
                layers += [conv, nn.BatchNorm2d(leaving), nn.ReLU(inplace=True)]
                arriving = leaving
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(arriving, num_classes)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        return self.classifier(self.pool(self.features(image_BCHW)).flatten(1))


def vgg11_bn_cifar(num_classes: int, in_channels: int, width: float) -> nn.Module:
    """VGG-11 with batch norm; ``width`` multiplies all channels."""
    return CifarVGG(_VGG11, num_classes, in_channels, width)


def vgg16_bn_cifar(num_classes: int, in_channels: int, width: float) -> nn.Module:
    """VGG-16 with batch norm; ``width`` multiplies all channels."""
    return CifarVGG(_VGG16, num_classes, in_channels, width)
