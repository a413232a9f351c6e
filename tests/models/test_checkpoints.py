"""Checkpoints as people save them: wrapped, prefixed, without counters, for other classes."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kdsearch.errors import SpecError
from kdsearch.models.checkpoints import load_weights, other_head, read_weights


def make(classes: int = 3, seed: int = 0, *, convolutional: bool = False) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = nn.Conv2d(4, classes, 1) if convolutional else nn.Linear(4, classes)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), head)


@pytest.mark.parametrize("wrap", [{}, {"state_dict": None}, {"model": None}])
def test_wrapped_and_prefixed_checkpoints_are_the_plain_one(tmp_path, wrap):
    source, net = make(seed=1), make()
    named = {f"module.{name}": value for name, value in source.state_dict().items()}
    torch.save(dict.fromkeys(wrap, named) | {"epoch": torch.tensor(3)} if wrap else named, tmp_path / "net.pt")
    load_weights(net, tmp_path / "net.pt")
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in net.state_dict().items())


def test_a_checkpoint_without_counters_of_batches_is_whole(tmp_path):
    state = {name: value for name, value in make(seed=1).state_dict().items() if "num_batches" not in name}
    save_file(state, tmp_path / "net.safetensors")
    net = make()
    load_weights(net, tmp_path / "net.safetensors")
    assert torch.equal(net[0].weight, state["0.weight"])


@pytest.mark.parametrize("convolutional", [False, True])
def test_the_head_of_other_classes_is_recognised_and_nothing_else(convolutional):
    net = make(convolutional=convolutional)
    assert other_head(net, make(convolutional=convolutional).state_dict()) == ()
    assert other_head(net, make(1000, convolutional=convolutional).state_dict()) == ("2.weight", "2.bias")
    wider = make(1000, convolutional=convolutional).state_dict()
    wider["2.weight"] = torch.zeros(1000, 8, *wider["2.weight"].shape[2:])  # reads other features: another net
    assert other_head(net, wider) == ()
    without = {name: value for name, value in make(1000).state_dict().items() if name != "2.bias"}
    assert other_head(make(), without) == ()


def test_every_kind_of_difference_is_counted_in_one_line(tmp_path):
    state = make().state_dict()
    del state["0.weight"], state["0.bias"]
    state |= {"1.weight": torch.zeros(5), "extra": torch.zeros(1)}
    torch.save(state, tmp_path / "net.pt")
    net = make()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(SpecError) as caught:
        load_weights(net, tmp_path / "net.pt")
    assert str(caught.value) == (
        f"{tmp_path / 'net.pt'}: the weights do not fit the net: 2 tensors missing (0.weight, ..); "
        "1 tensors too many (extra); 1 shapes differ (1.weight is (5,), the net has (4,)); "
        "name the net that they are of"
    )
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_what_is_no_mapping_of_names_to_tensors_is_refused(tmp_path):
    for content in ([torch.zeros(1)], {"epoch": 3}, {"model": {"a": 1}}):
        torch.save(content, tmp_path / "net.pt")
        with pytest.raises(SpecError, match=r"net\.pt: holds no plain mapping of names to tensors"):
            read_weights(tmp_path / "net.pt")


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\x80\x02junk",
        b"\x80\x02.",
        b"(dp0\n.",
        b"cos\nsystem\n.",
        b"N.",
        b"I1\n",
        bytes(range(256)),
        b"PK\x03\x04",
    ],
)
def test_bytes_that_are_no_weights_are_refused_in_a_line(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SpecError, match=r"cannot be read as weights: it is damaged|holds no plain mapping"):
        read_weights(path)
