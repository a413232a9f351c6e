from __future__ import annotations

from pathlib import Path

import pytest

from kdsearch.errors import SpecError
from kdsearch.spec.teacher_card import Card, find_card, read_card, shipped_cards, to_yaml

TRAINED = """
name: mine
net: {timm: resnet18, stem_stride: 1}
weights: mine.safetensors
sha256: 0000000000000000000000000000000000000000000000000000000000000123
input: {shape: [1, 8, 8]}
mean: [0.5]
std: [0.25]
classes: ['1e3', 'no', cat]
metrics: {accuracy: 0.5, validation_accuracy: 0.25}
"""


def write(folder: Path, text: str = TRAINED, **changes: str) -> Path:
    lines = [line for line in text.strip().splitlines() if line.split(":")[0] not in changes]
    path = folder / "mine.yaml"
    path.write_text("\n".join([*lines, *(f"{key}: {value}" for key, value in changes.items() if value)]) + "\n")
    return path


def test_weights_are_meant_from_the_cards_folder_and_data_from_the_current_one(tmp_path, monkeypatch):
    (tmp_path / "cards").mkdir()
    write(tmp_path / "cards", task="{npz: a.npz}", recipe="{epochs: 1}")
    monkeypatch.chdir(tmp_path)
    card = read_card("cards/mine.yaml")
    assert card.weights == tmp_path / "cards/mine.safetensors"
    assert card.task.options.npz == tmp_path / "a.npz"


def test_a_card_that_was_written_is_read_back_equal(tmp_path):
    card = read_card(write(tmp_path, task="{dataset: mnist5k}", recipe="{epochs: 3, learning_rate: 1e-5}"))
    copy = tmp_path / "copy.yaml"
    copy.write_text(to_yaml(card), encoding="utf-8")
    assert read_card(copy) == card
    assert card.classes == ("1e3", "no", "cat")


def test_changes_are_made_before_the_card_is_checked(tmp_path):
    path = write(tmp_path, name="mine", net="{net: lenet5}")
    assert read_card(path, ["net.width=0.5", "seed=7"]).net.width == 0.5
    with pytest.raises(SpecError, match=r"--set seed=x: seed: must be a whole number \(got x\)"):
        read_card(path, ["seed=x"])


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"nmae": "x"}, r"mine.yaml:\d+: nmae: unknown key; did you mean 'name'\?"),
        ({"name": "a b"}, r"name: must be at most 100 letters"),
        ({"net": "{timm: a, net: lenet5}"}, r"net: needs exactly one of timm, torchvision, net \(got timm, net\)"),
        ({"net": "{net: resnet21}"}, r"net: unknown net 'resnet21'; did you mean 'resnet20'\?"),
        ({"net": "{timm: a, width: 2}"}, "net: width goes with net only"),
        ({"net": "{net: lenet5, divisor: 8}"}, "net.divisor: unknown key"),
        ({"sha256": "12ab"}, r"sha256: must be 64 hexadecimal digits, in small letters \(got 12ab\)"),
        ({"input": "{shape: [0, 8, 8]}"}, r"input.shape\[0\]: must be >= 1"),
        ({"std": "[0]"}, r"std\[0\]: must be > 0"),
        ({"mean": "[0.5, 0.5]"}, r"mean has 2 number\(s\), input.shape has 1 channel\(s\)"),
        ({"classes": "[cat, dog, cat]"}, "classes: names 'cat' twice"),
        ({"classes": "[cat]"}, r"classes: must name two or more \(got 1\)"),
        ({"classes": "[0, cat]"}, r"classes: must be text; put it in quotes \(got 0\)"),
        ({"mean": "", "classes": ""}, "weights says nothing without mean, classes beside it"),
        ({"weights": ""}, "needs weights, or a task and a recipe to train by"),
        ({"seen": "abc"}, "seen: is no list of fingerprints as kdsearch teach writes it"),
        ({"metrics": "{accuracy: 98.5}"}, r"metrics: accuracy must be a share from 0 to 1, such as 0.985 \(got 98.5\)"),
    ],
)
def test_a_mistake_is_a_line(changes, line, tmp_path):
    with pytest.raises(SpecError, match=line) as caught:
        read_card(write(tmp_path, **changes))
    assert len(str(caught.value).splitlines()) == 1


def test_a_card_is_found_by_path_by_run_directory_and_by_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = shipped_cards()["lenet5_mnist5k.yaml"]
    for name in ("lenet5_mnist5k", "lenet5_mnist5k.yaml", "teachers/lenet5_mnist5k.yaml"):
        assert find_card(name) == shipped
    (tmp_path / "run").mkdir()
    (tmp_path / "run/card.yaml").write_text("name: x")
    assert find_card("run") == Path("run/card.yaml")
    (tmp_path / "lenet5_mnist5k").write_text("name: mine")
    assert find_card("lenet5_mnist5k") == Path("lenet5_mnist5k")


@pytest.mark.parametrize("name", ["lenet6_mnist5k", "elsewhere/lenet5_mnist5k.yaml", "no\x00such", "x" * 5000, ""])
def test_a_card_that_is_nowhere_names_the_shipped_ones(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match=r"no such teacher card, nor a shipped one \(lenet5_mnist5k.yaml, ") as caught:
        find_card(name)
    assert "\n" not in str(caught.value)


def test_a_near_name_is_suggested():
    with pytest.raises(SpecError, match=r"did you mean 'resnet20_mnist5k.yaml'\?"):
        find_card("resnet20_mnist")


def test_a_card_needs_no_more_than_a_net_and_a_way_to_train_it():
    assert Card(name="x", net={"net": "lenet5"}, task={"dataset": "mnist5k"}, recipe={}).weights is None
