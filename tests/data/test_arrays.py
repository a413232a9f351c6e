from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kdsearch.data import arrays as sources
from kdsearch.errors import DataError
from kdsearch.spec.task_sections import TaskOptions


def read(path):
    return sources.npz(TaskOptions(npz=path))


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)))
def test_pixels_written_as_shares_or_whole_floats_come_back_exactly(pixels):
    for made in ((pixels / 255).astype(np.float32), pixels / 255, pixels.astype(np.int64)):
        assert np.array_equal(sources.exact_pixels(made, "x"), pixels)
    if pixels.max() > 1:  # below, 0.0 and 1.0 mean shares
        assert np.array_equal(sources.exact_pixels(pixels.astype(np.float32), "x"), pixels)


@given(st.floats(0.02, 0.98).filter(lambda share: 0.01 < share * 255 % 1 < 0.99))
def test_pixels_between_the_steps_of_uint8_are_refused(share):
    with pytest.raises(DataError, match="x is float64 with values between the 256 steps of uint8"):
        sources.exact_pixels(np.full((2, 3, 3), share), "x")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 32, 32), np.uint8), r"shape \(2, 3, 32, 32\); needs \(N, H, W\)"),
        (np.zeros((2, 9), np.uint8), r"shape \(2, 9\)"),
        (np.zeros((0, 9, 9), np.uint8), "not empty"),
        (np.zeros((2, 9, 9), bool), "type bool; needs uint8"),
        (np.full((2, 9, 9), -1.5), "values from -1.5 to -1.5"),
        (np.full((2, 9, 9), 300), "values from 300 to 300"),
        (np.full((2, 9, 9), np.nan), "values from nan to nan"),
    ],
)
def test_arrays_that_are_no_pixels_are_refused(array, message):
    with pytest.raises(DataError, match=message):
        sources.exact_pixels(array, "x_train")


def test_labels_in_a_column_are_read_as_keras_writes_them(arrays, save_npz):
    expected = arrays["y_train"].tolist()
    arrays["y_train"] = arrays["y_train"][:, None]
    assert read(save_npz(arrays)).train.labels_N.tolist() == expected


def test_class_names_come_with_the_file(arrays, save_npz):
    arrays["classes"] = np.array(["ant", "bee", "cow"])
    assert read(save_npz(arrays)).classes == ("ant", "bee", "cow")


def test_channels_last_files_become_channels_first(save_npz):
    x = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    source = read(save_npz({"x_train": x, "y_train": np.array([0, 1])}))
    taken = source.train.take(torch.tensor([1, 0])).images_NCHW
    assert np.array_equal(taken.numpy(), x[::-1].transpose(0, 3, 1, 2))
    assert taken.is_contiguous()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_test": None}, r"images\.npz: needs x_test and y_test; found x_test, x_train, y_train"),
        ({"x_train": None, "y_train": None}, "needs x_train and y_train"),
        ({"y_train": np.zeros(60)}, r"y_train is float64 \(60,\); needs one integer an image"),
        ({"y_train": np.zeros((60, 3), int)}, r"y_train is int64 \(60, 3\)"),
        ({"y_train": np.arange(60) % 3 - 1}, "y_train holds label -1; labels must be 0 or more"),
        ({"y_test": np.full(9, 7)}, r"y_test holds label 7; the 3 classes are 0\.\.2"),
        ({"y_train": np.arange(59) % 3}, "x_train has 60 images and y_train 59 labels"),
        ({"x_test": np.zeros((0, 8, 8), np.uint8), "y_test": np.zeros(0, int)}, "y_test is empty"),
        ({"x_train": np.array([None] * 60)}, "not a readable .npz file of plain arrays"),
        ({"classes": np.array(["ant", "bee"])}, r"y_train holds label 2; the 2 classes are 0\.\.1"),
    ],
)
def test_inconsistent_files_are_refused_in_one_line(arrays, save_npz, change, message):
    changed = {key: value for key, value in (arrays | change).items() if value is not None}
    with pytest.raises(DataError, match=message) as caught:
        read(save_npz(changed))
    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz: file not found; correct task\.npz"):
        read(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"not an \.npz file"):
        read(path)


def test_a_flipped_byte_inside_the_file_is_noticed(arrays, save_npz):
    path = save_npz(arrays)
    content = bytearray(path.read_bytes())
    content[600] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"not a readable \.npz file"):
        read(path)


def test_more_images_than_a_chunk_come_back_whole_and_in_order():
    images = np.broadcast_to((np.arange(2500) % 251).astype(np.uint8)[:, None, None], (2500, 2, 2))
    pool = sources.array_pool(images.copy(), np.zeros(2500, np.int64), TaskOptions(dataset="mnist5k"))
    rows = torch.arange(2499, -1, -1)
    assert torch.equal(pool.take(rows).images_NCHW[:, 0, 0, 0].long(), rows % 251)


def test_a_file_with_a_test_part_alone_can_be_tested_with(tmp_path):
    labels = np.array([1, 0, 2])
    np.savez(tmp_path / "test.npz", x_test=np.zeros((3, 8, 8), np.uint8), y_test=labels, classes=np.array(list("abc")))
    pool, names = sources.npz_test(TaskOptions(npz=tmp_path / "test.npz"))
    assert pool.labels_N.tolist() == [1, 0, 2]
    assert names == ("a", "b", "c")
    with pytest.raises(DataError, match="needs x_train and y_train"):
        sources.npz(TaskOptions(npz=tmp_path / "test.npz"))


def test_a_file_without_a_test_part_has_none(tmp_path):
    np.savez(tmp_path / "train.npz", x_train=np.zeros((3, 8, 8), np.uint8), y_train=np.arange(3))
    assert sources.npz_test(TaskOptions(npz=tmp_path / "train.npz")) is None


def test_a_test_part_with_a_label_too_few_is_refused(tmp_path):
    np.savez(tmp_path / "test.npz", x_test=np.zeros((3, 8, 8), np.uint8), y_test=np.arange(2))
    with pytest.raises(DataError, match="x_test has 3 images and y_test 2 labels; give one an image"):
        sources.npz_test(TaskOptions(npz=tmp_path / "test.npz"))
