from __future__ import annotations

import pytest
import torch

from kdsearch.data.balance import note_imbalance, weigh_classes
from kdsearch.data.datasets import load_dataset
from kdsearch.errors import SpecError
from kdsearch.spec.task_sections import TaskOptions

CLASSES = ("rare", "common")


def options(weights):
    return TaskOptions(dataset="mnist5k", class_weights=weights)


def test_balanced_weights_give_every_class_the_same_pull_and_an_image_1_on_average():
    labels = torch.tensor([0] * 2 + [1] * 8)
    rare, common = weigh_classes(options("balanced"), labels, CLASSES)
    assert (rare, common) == (2.5, 0.625)  # by hand: 10 / (2 x 2), 10 / (2 x 8)
    assert 2 * rare == 8 * common
    assert 2 * rare + 8 * common == 10


def test_given_weights_keep_their_proportion():
    rare, common = weigh_classes(options([3, 1]), torch.tensor([0] * 2 + [1] * 8), CLASSES)
    assert rare / common == pytest.approx(3)
    assert 2 * rare + 8 * common == pytest.approx(10)


def test_without_the_option_nothing_is_weighed():
    assert weigh_classes(options(None), torch.tensor([0, 1]), CLASSES) is None


def test_a_list_of_another_length_is_refused_with_the_order_of_the_classes():
    with pytest.raises(SpecError, match=r"task.class_weights has 3 numbers, the data have 2 classes; .*: rare, common"):
        weigh_classes(options([1, 1, 1]), torch.tensor([0, 1]), CLASSES)


@pytest.mark.parametrize(("few", "said"), [(2, True), (3, False)])
def test_classes_five_times_apart_are_named(few, said):
    labels = torch.tensor([0] * few + [1] * 10)
    note = note_imbalance("pets", CLASSES, labels, weighted=False)
    assert bool(note) is said
    if said:
        assert note.startswith("pets: 'common' has 10 training images, 'rare' 2: accuracy says little of rare classes")
        assert "weighed by task.class_weights" in note_imbalance("pets", CLASSES, labels, weighted=True)


def test_imbalanced_data_are_told_when_they_are_loaded(arrays, save_npz, tmp_path, caplog):
    arrays["y_train"][:] = 0
    arrays["y_train"][:8], arrays["y_train"][8:16] = 1, 2
    path = save_npz(arrays)
    data = load_dataset(TaskOptions(npz=path), cache_dir=tmp_path)
    assert "task.class_weights: balanced" in caplog.text
    assert len(data.notes) == 1
    caplog.clear()
    weighed = load_dataset(TaskOptions(npz=path, class_weights="balanced"), cache_dir=tmp_path)
    assert "class_weights" not in caplog.text
    assert "weighed by" in weighed.notes[0]
