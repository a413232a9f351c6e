import pytest
import torch
from torch import nn

from kdsearch.errors import SpecError
from kdsearch.models.stems import set_stem_stride
from kdsearch.models.zoo import make_net
from kdsearch.spec.sections import StudentOptions


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
    one_step = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.MaxPool2d(2), nn.MaxPool2d(2))
    with pytest.raises(SpecError, match="the stem of net has stride 1 then; 2 is not to be had"):
        set_stem_stride(one_step, 2, (3, 64, 64), "net")


class Reading(nn.Module):
    """Ends in a reader of its own, which raises what somebody else's forward may."""

    def __init__(self, read):
        super().__init__()
        self.stem, self.read = stem(), read

    def forward(self, x):
        return self.read(self.stem(x))


@pytest.mark.parametrize("error", [AssertionError, IndexError, KeyError, TypeError, ZeroDivisionError, AttributeError])
def test_whatever_a_changed_net_raises_is_one_line_that_says_what_to_do(error):
    def read(x):
        if x.shape[-1] != 8:
            raise error("made for 8 places")
        return x

    with pytest.raises(
        SpecError, match=r"^card\.stem_stride: net does not run on .* stride 1: .*; leave stem_stride out"
    ):
        set_stem_stride(Reading(read), 1, (3, 16, 16), "net", "card")
    set_stem_stride(Reading(read), 1, (3, 8, 8), "net")  # too small an image for the net as it is


def test_what_a_net_remembers_of_the_size_under_its_own_stem_is_forgotten():
    net = Reading(None)
    net.read = lambda x: vars(net).setdefault("seen", x) + x  # would not add up at another size
    set_stem_stride(net, 1, (3, 16, 16), "net")
    assert net(torch.zeros(1, 3, 16, 16)).shape[-1] == 16


FITTED, TOO_LARGE, UNEVEN = "", "it cannot become", "is not to be had"
PATCHES, BROKEN, WRONG_SIZE = "has no stem", "with a stem of stride", "does not run on images of 3x32x32: "
FAMILIES = {
    "timm/test_resnet": (FITTED, FITTED, FITTED),
    "timm/test_byobnet": (FITTED, FITTED, TOO_LARGE),
    "timm/test_convnext": (FITTED, UNEVEN, FITTED),
    "timm/test_efficientnet": (FITTED, FITTED, TOO_LARGE),
    "timm/test_vit": (PATCHES, PATCHES, PATCHES),
    "timm/convmixer_768_32": (PATCHES, PATCHES, PATCHES),
    "timm/vit_tiny_patch16_224": (WRONG_SIZE, WRONG_SIZE, WRONG_SIZE),
    "timm/mixer_s32_224": (WRONG_SIZE, WRONG_SIZE, WRONG_SIZE),
    "timm/pit_ti_224": (BROKEN, UNEVEN, UNEVEN),
    "timm/levit_128s": (BROKEN, WRONG_SIZE, TOO_LARGE),
    "timm/repvgg_a0": (FITTED, FITTED, TOO_LARGE),
    "timm/mobileone_s0": (FITTED, FITTED, TOO_LARGE),
    "timm/xcit_nano_12_p16_224": (FITTED, FITTED, TOO_LARGE),
    "torchvision/squeezenet1_1": (FITTED, FITTED, FITTED),
    "torchvision/mnasnet0_5": (FITTED, FITTED, TOO_LARGE),
    "net/resnet20": (BROKEN, FITTED, TOO_LARGE),
    "net/lenet5": (FITTED, TOO_LARGE, TOO_LARGE),
}


@pytest.mark.parametrize(
    ("name", "stride", "refusal"), [(n, s, r[i]) for n, r in FAMILIES.items() for i, s in enumerate((1, 2, 4))]
)
def test_a_net_of_any_family_runs_with_the_stem_asked_for_or_is_refused(name, stride, refusal):
    source, _, label = name.partition("/")
    options = StudentOptions.model_validate({source: label, "stem_stride": stride})
    if refusal:
        with pytest.raises(SpecError, match=rf"^student[^\n]*{label}[^\n]*{refusal}[^\n]*; [^\n]*$"):
            make_net(options, num_classes=3, in_channels=3, image_size=32)
        return
    net = make_net(options, num_classes=3, in_channels=3, image_size=32).eval()
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
