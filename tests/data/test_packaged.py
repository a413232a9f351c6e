from __future__ import annotations

import pickle

import numpy as np
import pytest

from kdsearch.data.datasets import load_dataset
from kdsearch.errors import DataError
from kdsearch.spec.task_sections import TaskOptions
from tests.pictures import green_corner, save_as_camera

pytestmark = [pytest.mark.medium, pytest.mark.timeout(60)]  # importing torchvision and timm takes seconds


@pytest.fixture
def cifar_root(tmp_path, monkeypatch):
    """CIFAR10's files as torchvision expects them, with 20 images a file and checksums to match."""
    from torchvision.datasets import CIFAR10, utils

    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    rng = np.random.default_rng(0)
    names = [name for name, _ in CIFAR10.train_list + CIFAR10.test_list]
    for name in names:
        content = {"data": rng.integers(0, 256, (20, 3072), dtype=np.uint8), "labels": [n % 10 for n in range(20)]}
        (folder / name).write_bytes(pickle.dumps(content))
    meta = pickle.dumps({"label_names": [f"class {n}" for n in range(10)]})
    (folder / CIFAR10.meta["filename"]).write_bytes(meta)

    def listed(files):
        return [[name, utils.calculate_md5(folder / name)] for name, _ in files]

    monkeypatch.setattr(CIFAR10, "train_list", listed(CIFAR10.train_list))
    monkeypatch.setattr(CIFAR10, "test_list", listed(CIFAR10.test_list))
    meta_hash = utils.calculate_md5(folder / CIFAR10.meta["filename"])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": meta_hash})
    return tmp_path


def test_torchvisions_cifar10_is_read_whole(cifar_root, tmp_path):
    data = load_dataset(TaskOptions(torchvision="CIFAR10", root=cifar_root), cache_dir=tmp_path)
    assert data.image_shape == (3, 32, 32)
    assert data.classes[3] == "class 3"
    assert [len(part) for part in (data.train, data.validation, data.test)] == [90, 10, 20]
    raw = pickle.loads((cifar_root / "cifar-10-batches-py" / "test_batch").read_bytes())  # noqa: S301 - written above
    assert np.array_equal(data.test.images_NCHW.numpy(), raw["data"].reshape(20, 3, 32, 32))


def test_timm_reads_a_folder_like_the_folder_source_does(image_folder, tmp_path):
    (image_folder / "val").rename(image_folder / "validation")
    ours = load_dataset(
        TaskOptions(folder=image_folder / "train", validation_share=0.2, test_share=0.2), cache_dir=tmp_path
    )
    timms = load_dataset(TaskOptions(timm="folder", root=image_folder, validation_share=0.2), cache_dir=tmp_path)
    assert timms.classes == ours.classes
    assert timms.image_shape == ours.image_shape
    assert [len(part) for part in (timms.train, timms.validation, timms.test)] == [16, 4, 6]
    assert sorted(timms.test.images_NCHW[:, 0, 0, 0].tolist()) == [20, 21, 22, 120, 121, 122]


def test_a_broken_image_is_named_where_timm_would_give_the_next_one(image_folder, tmp_path):
    (image_folder / "val").rename(image_folder / "validation")
    (image_folder / "validation" / "cat" / "1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="timm folder validation, image 1: cannot be decoded"):
        load_dataset(TaskOptions(timm="folder", root=image_folder, validation_share=0.2), cache_dir=tmp_path)


def write_dtd(root):
    """The files of torchvision's DTD: two classes, one photograph of each orientation and class in each split."""
    home = root / "dtd" / "dtd"
    (home / "labels").mkdir(parents=True)
    for split in ("train", "test"):
        names = [f"{name}/{split}{at}.jpg" for name in ("dotted", "woven") for at in range(1, 9)]
        (home / "labels" / f"{split}1.txt").write_text("\n".join(names) + "\n")
        for name in names:
            (home / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            save_as_camera(green_corner(16), home / "images" / name, int(name[-5]))


def write_folders(root):
    for part in ("train", "validation"):
        for name in ("dotted", "woven"):
            (root / part / name).mkdir(parents=True)
            for at in range(1, 9):
                save_as_camera(green_corner(16), root / part / name / f"{at}.jpg", at)


@pytest.mark.parametrize(
    ("write", "source"), [(write_dtd, {"torchvision": "DTD"}), (write_folders, {"timm": "folder"})]
)
def test_photographs_of_a_packaged_set_are_turned_upright(tmp_path, write, source):
    write(tmp_path)
    images = load_dataset(TaskOptions(root=tmp_path, **source), cache_dir=tmp_path).test.images_NCHW.float()
    assert len(images) == 16
    upright = images[:, 1, :8, 8:].mean((1, 2))
    assert (upright > 200).all()
    assert (images[:, 1].mean((1, 2)) < 80).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"torchvision": "CIFAR10"}, r"task\.root is missing"),
        ({"torchvision": "CIFAR10", "root": "nowhere"}, r"nowhere: folder not found; correct task\.root"),
        ({"torchvision": "cifar10", "root": "."}, "torchvision has no data set 'cifar10'.*meant: CIFAR10"),
        ({"torchvision": "VisionDataset", "root": "."}, "has no training and test split"),
        ({"torchvision": "CIFAR10", "root": "."}, r"cannot be read \(.*\); get it with: python -c .*download=True"),
        *(
            ({"timm": f"{prefix}/mnist", "root": "."}, f"task.timm: {prefix}/mnist would be downloaded")
            for prefix in ("hfds", "hfids", "HFDS", "tfds", "wds")
        ),
        ({"timm": "folder", "root": "."}, "cannot be read .* kdsearch downloads nothing"),
    ],
)
def test_missing_data_sets_are_refused_in_one_line(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(TaskOptions(**options), cache_dir=tmp_path)
    assert "\n" not in str(caught.value)
