import pytest
import torch
from torch import nn

from kdsearch.errors import SpecError
from kdsearch.models.stems import set_stem_stride


def stem(*layers):
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), *layers)


def resnet_like():
    return stem(nn.MaxPool2d(3, 2, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1))


@pytest.mark.parametrize(("stride", "side"), [(4, 8), (2, 16), (1, 32)])
def test_the_stem_has_the_stride_asked_for_and_the_rest_keeps_its_own(stride, side):
    net = resnet_like()
    set_stem_stride(net, stride, (3, 64, 64), "net")
    assert net(torch.zeros(1, 3, 64, 64)).shape[-1] == side


def test_a_convolution_that_follows_is_no_part_of_the_stem():
    net = stem(nn.Conv2d(4, 4, 3, stride=2, padding=1))
    set_stem_stride(net, 1, (3, 64, 64), "net")
    assert net(torch.zeros(1, 3, 64, 64)).shape[-1] == 32


def test_a_stem_cannot_lose_more_than_it_does():
    with pytest.raises(SpecError, match="the stem of net has stride 2, it cannot become 4"):
        set_stem_stride(stem(), 4, (3, 64, 64), "net")
    patches = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4))
    with pytest.raises(SpecError, match="the stem of net has stride 1 then; 2 is not to be had"):
        set_stem_stride(patches, 2, (3, 64, 64), "net")
