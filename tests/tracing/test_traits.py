"""What is known of tensors without units."""

from __future__ import annotations

import torch

from kdsearch.tracing.traits import Traits


def test_a_tensor_is_constant_along_its_wide_dimensions_only():
    traits, tensor = Traits(), torch.ones(4, 1, 2)
    traits.set_blank(tensor, range(3), "ones")
    found = traits.blank(tensor)
    assert found.dims == {0, 2}
    assert found.key == found.root == "ones (tensor 1)"
    assert traits.blank(torch.ones(4, 1, 2)) is None


def test_keys_count_what_was_made_even_where_nothing_is_wide():
    traits = Traits()
    traits.set_blank(torch.ones(1), [0], "one")
    later = torch.ones(2)
    traits.set_blank(later, [0], "two")
    assert traits.blank(later).key == "two (tensor 2)"


def test_what_is_written_is_constant_no_longer_with_all_its_views():
    traits, tensor = Traits(), torch.ones(4)
    traits.set_blank(tensor, [0], "ones")
    view = tensor.view(4, 1)
    traits.set_blank(view, [0], "view", traits.blank(tensor))
    other = torch.ones(4)
    traits.set_blank(other, [0], "ones")
    traits.forget(view)
    assert traits.blank(view) is None
    assert traits.blank(tensor) is None
    assert traits.blank(other) is not None


def test_a_tensor_is_a_parameter_in_another_shape_until_it_is_forgotten():
    traits, tensor = Traits(), torch.ones(4, 1)
    traits.set_alias(tensor, ("gain", (0, None)))
    assert traits.alias(tensor) == ("gain", (0, None))
    traits.forget(tensor)
    assert traits.alias(tensor) is None
