"""A PruningNet that was saved generates the same weights when it is loaded."""

from __future__ import annotations

import pytest
import torch

from kdsearch.errors import StoreError
from kdsearch.pruningnet.making import make_generator
from kdsearch.pruningnet.storing import load_generator, save_generator
from tests.toys import half, make_toy, toy_widths


@pytest.mark.parametrize(("name", "sizes"), [("slim", {}), ("condnorm", {"hidden": 5}), ("lowrank", {"rank": 3})])
def test_whatever_its_kind_and_sizes_it_comes_back_the_same(tmp_path, name, sizes):
    sizes = {"hidden": None, "rank": 2, **sizes}
    net = make_toy()
    widths = toy_widths(net)
    generator = make_generator(name, net, widths, **sizes)
    with torch.no_grad():  # trunks start at zero, which any fresh one has
        for value in generator.values().values():
            value.add_(0.1)
    save_generator(tmp_path, generator, name, **sizes)
    loaded = load_generator(tmp_path, make_toy(), widths)
    assert type(loaded) is type(generator)
    gene = half(widths)
    for key, weight in generator.weights(gene).items():
        assert torch.equal(loaded.weights(gene)[key], weight)


def test_without_its_values_there_is_a_line_that_names_the_file(tmp_path):
    with pytest.raises(StoreError, match=r"pruningnet\.safetensors is missing: the PruningNet has not been trained"):
        load_generator(tmp_path, make_toy(), toy_widths(make_toy()))
