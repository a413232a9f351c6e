"""Which parameters follow which units, and which sizes layers remember."""

from __future__ import annotations

import pytest
from torch import nn

from kdsearch.tracing.swap import Slots
from kdsearch.tracing.units import UnitRecorder, classify
from kdsearch.widths.layers import LayerWiring


def wired(module: nn.Module, arriving: int, leaving: int = 0) -> tuple[UnitRecorder, LayerWiring]:
    """One layer whose inputs are units 1, 2, .. and whose outputs follow on them."""
    recorder = UnitRecorder()
    recorder.leave(("layer:in", 0), arriving)
    if leaving:
        recorder.leave(("layer:out", 0), leaving)
    names = {id(tensor): name.removeprefix("layer.") for name, tensor in Slots.of(module).tensors().items()}
    wiring = LayerWiring(recorder, names, [])
    wiring.add("layer", module)
    return recorder, wiring


def remembered(wiring: LayerWiring) -> dict[str, tuple[int, int]]:
    return {each.name: (len(each.units), each.divisor) for each in wiring.attributes}


@pytest.mark.parametrize(
    ("module", "dims"),
    [(nn.Conv2d(3, 5, 1), (5, 3)), (nn.ConvTranspose2d(3, 5, 1), (3, 5)), (nn.Linear(3, 5), (5, 3))],
)
def test_a_weights_dimensions_follow_outputs_and_inputs(module, dims):
    recorder, wiring = wired(module, 3, 5)
    assert (len(recorder.ports["weight", 0]), len(recorder.ports["weight", 1])) == dims
    assert len(recorder.ports["bias", 0]) == 5
    assert set(remembered(wiring).values()) == {(3, 1), (5, 1)}


def test_a_depthwise_convolution_has_as_many_groups_as_inputs_and_ties_both_sides():
    recorder, wiring = wired(nn.Conv2d(4, 4, 3, groups=4), 4, 4)
    assert remembered(wiring) == {"in_channels": (4, 1), "out_channels": (4, 1), "groups": (4, 1)}
    classes = classify(recorder)
    assert [int(classes.root_of[unit]) for unit in (5, 6, 7, 8)] == [1, 2, 3, 4]


def test_few_wide_groups_narrow_alike_and_many_thin_ones_go_whole():
    recorder, _ = wired(nn.Conv2d(8, 8, 1, groups=2), 8, 8)
    assert int(classify(recorder).root_of[5]) == 1  # the first channel of both groups
    recorder, wiring = wired(nn.Conv2d(8, 8, 1, groups=4), 8, 8)
    assert int(classify(recorder).root_of[2]) == 1  # both channels of the first group
    assert remembered(wiring)["groups"] == (8, 2)


def test_a_grouped_transposed_convolution_is_kept():
    recorder, _ = wired(nn.ConvTranspose2d(4, 4, 1, groups=2), 4, 4)
    assert {reason for _, reason in recorder.frozen} == {"layer is a grouped transposed convolution"}


def test_a_norms_vectors_follow_its_channels():
    recorder, wiring = wired(nn.BatchNorm2d(4), 4)
    for name in ("weight", "bias", "running_mean", "running_var"):
        assert recorder.ports[name, 0].tolist() == [1, 2, 3, 4]
    assert remembered(wiring) == {"num_features": (4, 1)}


def test_groups_of_a_group_norm_stay_equal_and_an_instance_norm_by_groups_counts_them():
    recorder, wiring = wired(nn.GroupNorm(2, 4), 4)
    assert int(classify(recorder).root_of[3]) == 1
    assert remembered(wiring) == {"num_channels": (4, 1)}
    _, wiring = wired(nn.GroupNorm(4, 4), 4)
    assert remembered(wiring) == {"num_groups": (4, 1), "num_channels": (4, 1)}


def test_a_layer_norm_over_more_than_channels_is_kept():
    _, wiring = wired(nn.LayerNorm(4), 4)
    assert [(each.name, each.position) for each in wiring.attributes] == [("normalized_shape", 0)]
    recorder, _ = wired(nn.LayerNorm([4, 2]), 4)
    assert any("normalises more than channels" in reason for _, reason in recorder.frozen)


def test_a_parameter_of_unknown_meaning_keeps_its_layer():
    layer = nn.Linear(3, 5)
    layer.extra = nn.Parameter(layer.weight.detach().clone())
    recorder, _ = wired(layer, 3, 5)
    assert {reason for _, reason in recorder.frozen} == {"layer has a parameter extra of unknown meaning"}
