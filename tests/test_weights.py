"""Weights on disk."""

from __future__ import annotations

import pytest
import torch

from kdsearch.errors import StoreError
from kdsearch.weights import hash_weights, load_weights, save_weights


def test_what_is_saved_is_loaded_to_the_bit_whatever_its_layout(tmp_path):
    shared = torch.randn(4, 3, 2, 2)
    tensors = {
        "a": shared.to(memory_format=torch.channels_last),
        "b": shared,
        "c": shared[1:, ::2],
        "n": torch.tensor(3),
    }
    save_weights(tmp_path / "w.safetensors", tensors)
    loaded = load_weights(tmp_path / "w.safetensors")
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(value, tensors[name]) for name, value in loaded.items())
    assert all(value.is_contiguous() for value in loaded.values())


def test_a_damaged_or_missing_file_is_one_line(tmp_path):
    path = tmp_path / "w.safetensors"
    for content in (None, b"", b"torn", bytes(100)):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(
            StoreError, match=r"w\.safetensors: cannot be read as weights .*; delete it and resume"
        ) as caught:
            load_weights(path)
        assert "\n" not in str(caught.value)


def test_a_file_cut_short_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, {"a": torch.randn(100)})
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(StoreError, match="cannot be read as weights"):
        load_weights(path)


def test_a_hash_is_of_names_types_shapes_and_values_alone():
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3), "h": torch.ones(2, dtype=torch.bfloat16)}
    same = {name: tensors[name].clone() for name in ("n", "h", "a")}
    same["a"] = same["a"].t().contiguous().t()  # another order in memory
    assert hash_weights(same) == hash_weights(tensors)
    others = [
        tensors | {"a": tensors["a"] + torch.eye(2, 3) * 1e-6},
        tensors | {"a": tensors["a"].reshape(3, 2)},
        tensors | {"n": torch.tensor(3, dtype=torch.int32)},
        {name if name != "n" else "m": value for name, value in tensors.items()},
    ]
    assert len({hash_weights(other) for other in [tensors, *others]}) == 5
