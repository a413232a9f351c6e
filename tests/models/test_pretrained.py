"""Published weights: what is in the hubs' caches is loaded, what cannot be had is one line that says what to do."""

from __future__ import annotations

import logging

import pytest
import torch
import torchvision
from torch import nn

from kdsearch.errors import SpecError
from kdsearch.models.pretrained import hash_pretrained, keeps_head, published_normalisation
from kdsearch.models.zoo import make_net
from kdsearch.spec.sections import StudentOptions
from tests.hubs import TIMM, hide_hubs, publish_timm, publish_torchvision

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def hubs(tmp_path, monkeypatch):
    return hide_hubs(tmp_path, monkeypatch)


def made(options: StudentOptions, num_classes: int = 1000, in_channels: int = 3) -> nn.Module:
    return make_net(options, num_classes=num_classes, in_channels=in_channels).eval()


def test_timms_weights_are_those_of_its_hub_and_the_seed_changes_nothing(hubs):
    published = publish_timm(hubs).eval()
    image_BCHW = torch.rand(2, 3, 64, 64)
    assert torch.equal(made(TIMM)(image_BCHW), published(image_BCHW))


def test_the_classifier_is_fresh_for_other_classes_and_the_rest_is_not(hubs, caplog):
    published = publish_timm(hubs)
    net = made(TIMM, num_classes=5)
    assert net.fc.weight.shape[0] == 5
    assert torch.equal(net.conv1[0].weight, published.conv1[0].weight)
    assert "is for another number of classes; fc.weight and fc.bias stay untrained" in caplog.text
    assert keeps_head(TIMM, 1000)
    assert not keeps_head(TIMM, 5)


def test_torchvisions_weights_are_those_of_its_hub_for_any_channels(hubs, monkeypatch, caplog):
    published = publish_torchvision(hubs, "squeezenet1_1", monkeypatch).eval()
    options = StudentOptions(torchvision="squeezenet1_1", pretrained=True)
    image_BCHW = torch.rand(2, 1, 64, 64)
    expected = published(image_BCHW.expand(-1, 3, -1, -1))
    assert torch.equal(made(options)(image_BCHW.expand(-1, 3, -1, -1)), expected)
    torch.testing.assert_close(made(options, in_channels=1)(image_BCHW), expected, rtol=1e-4, atol=1e-5)
    with caplog.at_level(logging.WARNING):
        assert made(options, num_classes=7)(image_BCHW.expand(-1, 3, -1, -1)).shape == (2, 7)
    assert "classifier.1.weight and classifier.1.bias stay untrained" in caplog.text
    assert keeps_head(options, 1000)
    assert not keeps_head(options, 7)


@pytest.mark.medium
def test_googlenet_keeps_the_transform_of_its_input_and_not_its_auxiliary_heads(hubs, monkeypatch):
    whole = publish_torchvision(
        hubs, "googlenet", monkeypatch, aux_logits=True, init_weights=False, transform_input=True
    )
    options = StudentOptions(torchvision="googlenet", pretrained=True)
    image_BCHW = torch.rand(1, 3, 64, 64)
    assert torch.equal(made(options)(image_BCHW), whole.eval()(image_BCHW))
    with pytest.raises(SpecError, match=r"googlenet takes the three colours apart; set task.channels: 3"):
        made(options, in_channels=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (TIMM, r"timm's hub nor from its cache \(HF_HOME.*go online, put the cache of another machine there, or name"),
        (
            StudentOptions(torchvision="squeezenet1_1", pretrained=True),
            r"the weights of squeezenet1_1 can be had neither from torchvision's hub .*student.weights",
        ),
        (StudentOptions(timm="lcnet_035", pretrained=True), r"timm has no weights of lcnet_035; it has those of lcnet"),
        (
            StudentOptions(timm="resnet18.zzz", pretrained=True),
            r"no net is called resnet18.zzz; did you mean 'resnet18'",
        ),
    ],
)
def test_weights_that_cannot_be_had_are_one_line(hubs, monkeypatch, options, message):
    if options.torchvision:
        weights = torchvision.models.get_model_weights(options.torchvision).DEFAULT
        monkeypatch.setattr(weights.value, "url", "https://nowhere.invalid/net-00000000.pth")
    with pytest.raises(SpecError, match=message) as caught:
        made(options)
    assert "\n" not in str(caught.value)


def test_a_damaged_file_in_the_cache_is_one_line(hubs):
    publish_timm(hubs)
    next(hubs.rglob("model.safetensors")).write_bytes(b"half a download")
    with pytest.raises(SpecError, match="can be had neither from timm's hub"):
        made(TIMM)


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (TIMM, ((0.5,) * 3, (0.5,) * 3)),
        (StudentOptions(timm="resnet18", pretrained=True), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))),
        (StudentOptions(torchvision="resnet18", pretrained=True), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))),
    ],
)
def test_images_are_normalised_as_the_weights_were_trained(options, numbers):
    assert published_normalisation(options, 3) == numbers
    one = published_normalisation(options, 1)
    assert one == ((pytest.approx(sum(numbers[0]) / 3),), (pytest.approx(sum(numbers[1]) / 3),))


def test_the_hash_is_that_of_what_was_published(hubs):
    publish_timm(hubs)
    first = hash_pretrained(made(TIMM, 5))
    assert hash_pretrained(make_net(TIMM, num_classes=5, in_channels=3, seed=9)) == first
    publish_timm(hubs, seed=8)
    assert hash_pretrained(made(TIMM, 5)) != first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"net": "lenet5"}, "pretrained goes with timm or torchvision; nobody publishes weights of net: lenet5"),
        ({"timm": "resnet18", "weights": "net.pt"}, "pretrained and weights are two starts; leave one of them out"),
    ],
)
def test_pretrained_beside_what_it_does_not_go_with_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        StudentOptions(**options, pretrained=True)
