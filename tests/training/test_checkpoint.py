from __future__ import annotations

import os
import pickle

import pytest
import torch

from kdsearch.errors import StoreError
from kdsearch.training.checkpoint import load_checkpoint, remove_checkpoint, save_checkpoint

CPU = torch.device("cpu")


def test_what_was_saved_comes_back_and_the_one_before_is_kept(tmp_path):
    path = tmp_path / "deep" / "x.pt"
    assert load_checkpoint(path, CPU) is None
    for number in range(3):
        save_checkpoint(path, {"number": number, "weight": torch.full((2,), float(number))})
    state = load_checkpoint(path, CPU)
    assert state["number"] == 2
    assert state["weight"].tolist() == [2, 2]
    path.unlink()
    assert load_checkpoint(path, CPU)["number"] == 1
    remove_checkpoint(path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("keep", [0, 1, 100, 900])
def test_a_cut_off_file_gives_way_to_the_one_before_with_a_warning(tmp_path, caplog, keep):
    path = tmp_path / "x.pt"
    save_checkpoint(path, {"number": 0})
    save_checkpoint(path, {"number": 1})
    path.write_bytes(path.read_bytes()[:keep])
    assert load_checkpoint(path, CPU)["number"] == 0
    assert "x.pt: damaged" in caplog.text


def test_no_usable_file_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(b"not a checkpoint at all")
    with pytest.raises(StoreError, match=r"x\.pt: the checkpoint is damaged"):
        load_checkpoint(path, CPU)


def test_code_in_a_checkpoint_is_not_executed(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    (tmp_path / "x.pt").write_bytes(pickle.dumps(Attack()))
    with pytest.raises(StoreError, match="damaged"):
        load_checkpoint(tmp_path / "x.pt", CPU)
    assert not (tmp_path / "owned").exists()
