"""What a number that a module remembers may stand for."""

from __future__ import annotations

import torch
from torch import nn

from kdsearch.widths.remembered import explain_derived, explain_sizes, explain_splits


class Remembering(nn.Module):
    def __init__(self, **numbers) -> None:
        super().__init__()
        vars(self).update(numbers)


A, B = torch.arange(1, 9), torch.arange(9, 15)  # 8 and 6 units


def key_of(units):
    """All vectors change with genes, but for those of unit 0."""
    return None if bool((units == 0).all()) else units.numpy().tobytes()


def seen(**modules):
    return {name: {(at, len(units)): units for at, units in enumerate(vectors)} for name, vectors in modules.items()}


def said(found):
    return [(each.name, each.position, each.units.tolist(), each.divisor) for each in found]


def test_a_number_may_be_the_size_of_what_the_module_or_an_inner_one_handles():
    net = Remembering(width=8, name="x", flag=True, one=1)
    net.inner = Remembering()
    found = explain_sizes(net, "", seen(inner=[A, B]), key_of)
    assert said(found) == [("width", None, A.tolist(), 1)]


def test_numbers_in_a_tuple_are_told_with_their_places():
    net = Remembering(shape=(1, 6, 8))
    found = explain_sizes(net, "", {"": {(0, 8): A, (1, 6): B}}, key_of)
    assert said(found) == [("shape", 1, B.tolist(), 1), ("shape", 2, A.tolist(), 1)]


def test_what_no_gene_changes_explains_nothing():
    assert explain_sizes(Remembering(width=8), "", {"": {(0, 8): torch.zeros(8, dtype=torch.int64)}}, key_of) == []


def test_a_number_may_be_a_sum_a_multiple_a_fraction_or_where_a_piece_begins():
    handled = {"": {(0, 8): A, (1, 6): B}}
    assert ("total", None, [*A.tolist(), *B.tolist()], 1) in said(
        explain_derived(Remembering(total=14), "", handled, key_of)
    )
    assert ("twice", None, A.tolist() * 2, 1) in said(explain_derived(Remembering(twice=16), "", handled, key_of))
    assert ("half", None, A.tolist(), 2) in said(explain_derived(Remembering(half=4), "", handled, key_of))
    assert ("start", None, A[:5].tolist(), 1) in said(explain_derived(Remembering(start=5), "", handled, key_of))


def test_a_split_is_remembered_as_a_list_or_as_single_numbers():
    splits = {"": {(8, 6): (A, B)}}
    as_list, as_numbers = explain_splits(Remembering(sizes=[8, 6], left=8), "", splits)
    assert said(as_list) == [("sizes", 0, A.tolist(), 1), ("sizes", 1, B.tolist(), 1)]
    assert said(as_numbers) == [("left", None, A.tolist(), 1)]
