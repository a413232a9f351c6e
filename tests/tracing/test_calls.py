"""An operator call as the rules read it."""

from __future__ import annotations

import torch

from kdsearch.tracing.calls import Call, tensors_in

ATEN = torch.ops.aten


class Nowhere:
    """As much of a tracer as a place needs."""

    here, calling = "layer1.0", "sort"


def call(func, *args, **kwargs) -> Call:
    return Call(Nowhere(), func, args, kwargs, func(*args, **kwargs), 0)


def test_arguments_are_found_by_position_by_name_and_by_default():
    tensor = torch.ones(2, 3)
    made = call(ATEN.sum.dim_IntList, tensor, [1])
    assert made.given("dim") == [1]
    assert made.given("keepdim") is False
    assert call(ATEN.sum.dim_IntList, tensor, [1], keepdim=True).given("keepdim") is True
    assert made.given("groups") is None


def test_an_operator_in_place_has_the_name_of_the_one_that_is_not():
    assert call(ATEN.add_.Tensor, torch.ones(1), torch.ones(1)).name == "add"
    assert call(ATEN.add.Tensor, torch.ones(1), torch.ones(1)).name == "add"


def test_a_place_names_the_function_that_the_net_called():
    assert call(ATEN.relu.default, torch.ones(1)).place == "sort in layer1.0"


def test_tensors_in_and_out_are_found_in_lists():
    first, second = torch.ones(1), torch.ones(2)
    made = call(ATEN.cat.default, [first, second])
    assert [id(tensor) for tensor in made.inputs] == [id(first), id(second)]
    assert [tuple(tensor.shape) for tensor in made.outputs] == [(3,)]
    assert list(tensors_in((1, [first, (second, None)]))) == [first, second]
