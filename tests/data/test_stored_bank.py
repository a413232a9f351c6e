from __future__ import annotations

import numpy as np
import pytest
import torch

from kdsearch.data.stored_bank import PARTS, StoredPart, find_bank, has_bank, read_bank
from kdsearch.errors import DataError, StoreError
from kdsearch.files import hash_file, read_sealed, save_sealed
from tests.banks import CLASSES, PROVENANCE, bars_part, write_bank


def test_a_bank_is_read_as_it_was_written(tmp_path):
    written = write_bank(tmp_path / "bank")
    read = read_bank(tmp_path / "bank")
    assert (read.classes, read.mean, read.std, read.provenance) == (CLASSES, (0.3,), (0.3,), PROVENANCE)
    assert read.image_shape == (1, 8, 8)
    assert read.teacher == "bars"
    assert read.digest == written.digest
    for seed, part in enumerate(PARTS):
        made = bars_part(len(read.parts[part].images_NCHW), seed)
        assert torch.equal(read.parts[part].images_NCHW, made.images_NCHW)
        assert torch.equal(read.parts[part].logits_NC, made.logits_NC)


def test_another_bank_has_another_digest(tmp_path):
    first = write_bank(tmp_path / "one")
    assert write_bank(tmp_path / "two").digest == first.digest
    assert write_bank(tmp_path / "three", provenance=PROVENANCE | {"seed": 4}).digest != first.digest


@pytest.mark.parametrize("inside", ["bank", "prepared/bank"])
def test_a_run_directory_stands_for_the_bank_inside(tmp_path, inside):
    write_bank(tmp_path / "run" / inside)
    assert find_bank(tmp_path / "run") == find_bank(tmp_path / "run" / inside) == tmp_path / "run" / inside


def test_a_bank_is_written_over_the_old_one_and_over_nothing_else(tmp_path):
    old = write_bank(tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    new = write_bank(tmp_path, parts=dict(old.parts) | {"train": bars_part(30, 9)})
    assert len(read_bank(tmp_path).parts["train"].images_NCHW) == 30
    assert new.digest != old.digest
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_place_without_a_bank_is_told_in_one_line(tmp_path):
    with pytest.raises(DataError, match=r"task.bank: .*nowhere: no such folder; name the run directory"):
        read_bank(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"task.bank: .*: holds no bank of images"):
        read_bank(tmp_path)


def flip(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", [f"{part}_{column}.npy" for part in PARTS for column in ("images", "logits")])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flip, "it is not what was written"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "it is not what was written"),
        (lambda path: np.save(path, np.zeros((3, 1, 9, 9), np.uint8)), "it is not what was written"),
        (lambda path: path.unlink(), "it is missing"),
    ],
)
def test_each_damage_of_each_file_is_one_line_that_names_it(tmp_path, name, damage, said):
    write_bank(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(DataError, match=f"{name}: damaged .{said}.; put the bank's files back"):
        read_bank(tmp_path)


@pytest.mark.parametrize("damage", [flip, lambda path: path.write_text("{}"), lambda path: path.write_text("")])
def test_a_damaged_header_is_one_line(tmp_path, damage):
    write_bank(tmp_path)
    damage(tmp_path / "bank.json")
    with pytest.raises(DataError, match=r"bank.json: damaged \(it is not what was written\)"):
        read_bank(tmp_path)


def reseal(folder, name, array):
    """A file in place of the bank's, noted as if it had been written so."""
    np.save(folder / name, array)
    header = read_sealed(folder / "bank.json")
    header["files"][name] = {"shape": list(array.shape), "sha256": hash_file(folder / name)}
    save_sealed(folder / "bank.json", header)


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("test_images.npy", np.zeros((60, 1, 9, 9), np.uint8), r"its parts hold images of \(1, 8, 8\) and \(1, 9, 9\)"),
        ("validation_logits.npy", np.zeros((60, 4), np.float16), "it has answers of 4 classes, not of 3"),
        ("train_logits.npy", np.zeros((95, 3), np.float16), "logits must be 96 rows of float16"),
        ("train_logits.npy", np.zeros((96, 3), np.float32), r"it holds float32 \(96, 3\)"),
    ],
)
def test_a_bank_whose_parts_do_not_belong_together_is_refused(tmp_path, name, array, said):
    write_bank(tmp_path)
    reseal(tmp_path, name, array)
    with pytest.raises(DataError, match=said):
        read_bank(tmp_path)


def test_a_bank_of_another_schema_is_refused(tmp_path):
    write_bank(tmp_path)
    save_sealed(tmp_path / "bank.json", read_sealed(tmp_path / "bank.json") | {"schema": 2})
    with pytest.raises(DataError, match=r"is of another kdsearch \(schema 2\)"):
        read_bank(tmp_path)


def test_a_bank_that_was_being_written_is_none(tmp_path):
    write_bank(tmp_path)
    (tmp_path / "bank.json").unlink()
    assert not has_bank(tmp_path)


def test_a_bank_that_cannot_be_written_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/bank: not a directory"):
        write_bank(tmp_path / "file" / "bank")


def test_a_part_holds_images_and_an_answer_of_each():
    part = bars_part(6, 0)
    with pytest.raises(ValueError, match="images must be uint8 NCHW"):
        StoredPart(part.images_NCHW.float(), part.logits_NC)
    with pytest.raises(ValueError, match="logits must be 6 rows of float16"):
        StoredPart(part.images_NCHW, part.logits_NC[:5])
