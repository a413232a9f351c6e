from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kdsearch.cost.flops import count_parameters
from kdsearch.errors import SpecError
from kdsearch.models.zoo import OWN, make_net
from kdsearch.spec.sections import StudentOptions

pytestmark = pytest.mark.timeout(30)  # milliseconds each on a quiet machine


def net_of(num_classes=10, in_channels=3, **student):
    seed = student.pop("seed", 0)
    image_size = student.pop("image_size", None)
    options = StudentOptions(**student)
    return make_net(options, num_classes=num_classes, in_channels=in_channels, image_size=image_size, seed=seed)


@pytest.mark.parametrize("name", OWN)
def test_our_nets_classify_small_images_of_any_channel_count(name):
    net = net_of(net=name, in_channels=1, width=0.5).eval()
    assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_published_sizes():
    """ResNet-20 has 0.27M parameters (He et al. 2016, table 6); LeNet-5 by hand."""
    assert 0.26e6 < count_parameters(net_of(net="resnet20")) < 0.28e6
    lenet = 6 * 25 + 6 + 16 * 6 * 25 + 16 + 400 * 120 + 120 + 120 * 84 + 84 + 84 * 10 + 10
    assert count_parameters(net_of(net="lenet5", in_channels=1)) == lenet


def test_metaprunings_mobilenet_has_3_99_million_generated_weights():
    """Liu et al.'s code: 3.99M weights with 1,000 classes, biases and norms aside."""
    net = net_of(net="mobilenetv2_metapruning", num_classes=1000)
    layers = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    convolutions = sum(layer.weight.numel() for layer in layers if isinstance(layer, nn.Conv2d))
    assert round(convolutions / 1e6, 2) == 3.99


@pytest.mark.parametrize("student", [{"timm": "lcnet_035"}, {"net": "resnet20"}])
def test_the_seed_decides_the_weights_and_the_global_generator_stays(student):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (net_of(seed=seed, **student) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    weights = [next(p for p in net.parameters() if p.ndim == 4) for net in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.medium
@pytest.mark.timeout(60)
def test_torchvision_nets_take_other_channel_counts():
    net = net_of(torchvision="squeezenet1_1", in_channels=1).eval()
    assert net(torch.zeros(1, 1, 64, 64)).shape == (1, 10)


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ({"net": "resnet2"}, r"student.net: no net is called resnet2; did you mean 'resnet20'"),
        ({"timm": "mobilenetv2_14"}, r"student.timm: no net is called mobilenetv2_14; did you mean 'mobilenetv2_140'"),
        ({"torchvision": "resnet19"}, r"student.torchvision: no net is called resnet19; did you mean 'resnet1"),
        ({"net": "zzzz"}, r"student.net: no net is called zzzz; there are 8, such as lenet5"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(student, message):
    with pytest.raises(SpecError, match=message):
        net_of(**student)


def test_weights_of_a_file_are_loaded(tmp_path):
    source = net_of(net="lenet5", seed=3)
    save_file(source.state_dict(), tmp_path / "net.safetensors")
    torch.save({"state_dict": source.state_dict()}, tmp_path / "net.pt")
    for name in ("net.safetensors", "net.pt"):
        loaded = net_of(net="lenet5", weights=tmp_path / name)
        assert torch.equal(loaded.fc1.weight, source.fc1.weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("fc1.bias"), r"1 tensors missing \(fc1.bias\)"),
        (lambda state: state.update(more=torch.zeros(1)), r"1 tensors too many \(more\)"),
        (
            lambda state: state.update({"fc1.bias": torch.zeros(3)}),
            r"shapes differ \(fc1.bias is \(3,\), the net has \(120,\)\)",
        ),
    ],
)
def test_weights_of_another_net_are_refused(tmp_path, change, message):
    state = net_of(net="lenet5").state_dict()
    change(state)
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(SpecError, match=message):
        net_of(net="lenet5", weights=tmp_path / "other.pt")


def test_a_missing_or_broken_weights_file_is_one_line(tmp_path):
    with pytest.raises(SpecError, match="no such weights file"):
        net_of(net="lenet5", weights=Path("/nowhere/net.pt"))
    for name in ("net.pt", "net.safetensors"):
        (tmp_path / name).write_bytes(b"not a checkpoint")
        with pytest.raises(SpecError, match="cannot be read as weights") as caught:
            net_of(net="lenet5", weights=tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: cannot be read as weights: it is damaged, or ")
        assert "\n" not in str(caught.value)


def test_a_checkpoint_that_holds_a_whole_module_is_told_what_to_save(tmp_path):
    torch.save(net_of(net="lenet5"), tmp_path / "net.pt")
    with pytest.raises(SpecError, match=r"holds more than tensors; save net\.state_dict\(\) alone, with torch\.save"):
        net_of(net="lenet5", weights=tmp_path / "net.pt")


@pytest.mark.parametrize("name", ["lenet5", "resnet20"])
def test_the_classifier_of_other_classes_is_left_out_with_a_warning(tmp_path, caplog, name):
    source = net_of(net=name, num_classes=1000, seed=1)
    torch.save(source.state_dict(), tmp_path / "net.pt")
    loaded, fresh = net_of(net=name, weights=tmp_path / "net.pt").state_dict(), net_of(net=name).state_dict()
    other = {key for key, value in source.state_dict().items() if value.shape != fresh[key].shape}
    assert len(other) == 2
    for key, value in loaded.items():
        assert torch.equal(value, fresh[key] if key in other else source.state_dict()[key])
    assert "net.pt: is for another number of classes; " in caplog.text
    assert all(key in caplog.text for key in other)
