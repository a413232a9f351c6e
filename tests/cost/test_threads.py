"""Torch's threads inside a block and after it."""

from __future__ import annotations

import pytest
import torch

from kdsearch.cost.threads import torch_threads


def test_the_number_holds_inside_the_block_and_comes_back_after_an_error_too():
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with pytest.raises(ZeroDivisionError), torch_threads(before + 1):
        1 / 0  # noqa: B018
    assert torch.get_num_threads() == before
