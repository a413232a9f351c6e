"""Recipes are trained alike, kept, and compared at the same seed."""

from __future__ import annotations

import pytest

from kdsearch.bench import base_torchdistill, recipes
from kdsearch.errors import SpecError
from kdsearch.training.net import train_net

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120)]
SHORT = {"teacher": "lenet5_mnist5k", "net": "lenet5", "width": 0.5, "train_images": 200, "epochs": 1, "views": 2}


def test_every_recipe_trains_and_what_is_finished_is_not_trained_again(tmp_path, monkeypatch):
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path / "cache"))
    names = [name for name in recipes.RECIPES if name != recipes.THEIRS]
    first = recipes.run(**SHORT, seeds=2, folder=str(tmp_path / "made"), only=names)
    assert [row["recipe"] for row in first["rows"]] == names
    assert len(list((tmp_path / "made").glob("*.json"))) == 2 * len(names)
    monkeypatch.setattr(recipes, "give_lesson", None)
    assert recipes.run(**SHORT, seeds=2, folder=str(tmp_path / "made"), only=names) == first


def beside_decay(before, after) -> float:
    """How far a parameter has moved across the direction in which weight decay alone would have moved it."""
    change, own = (after - before).flatten(), before.flatten()
    return float((change - own * (change @ own) / (own @ own).clamp_min(1e-12)).norm())


def test_torchdistills_term_trains_both_of_its_heads_beside_the_student(tmp_path, monkeypatch):
    pytest.importorskip("torchdistill")
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path / "cache"))
    moved: dict[str, float] = {}

    def fit_and_compare(pupil, *others, **named):
        before = {name: value.detach().clone() for name, value in pupil.named_parameters()}
        history = train_net(pupil, *others, **named)
        moved.update({name: beside_decay(before[name], value.detach()) for name, value in pupil.named_parameters()})
        return history

    monkeypatch.setattr(base_torchdistill, "train_net", fit_and_compare)
    (row,) = recipes.run(**SHORT, seeds=1, folder=str(tmp_path / "made"), only=[recipes.THEIRS])["rows"]
    assert row["recipe"] == recipes.THEIRS
    heads = {name: moved[f"layers.torchdistill.{name}.weight"] for name in ("student", "teacher")}
    assert heads["teacher"] > 1e-2
    assert heads["student"] > 2e-6  # barely: its norms are not squared, and the gradient vanishes with distance
    assert any(change > 0 for name, change in moved.items() if name.startswith("student."))


def test_an_unknown_recipe_is_named():
    with pytest.raises(SpecError, match="unknown recipe 'KDD'"):
        recipes.run(**SHORT, only=["KDD"])


def test_no_seeds_is_a_line(tmp_path):
    with pytest.raises(SpecError, match=r"seeds and epochs must be at least 1 \(got 0 and 30\)"):
        recipes.run(seeds=0, folder=str(tmp_path))


def test_a_gain_has_its_interval_and_one_of_one_seed_says_that_it_has_none():
    assert recipes._gain([95.0], [94.0]) == "+1.00 (one seed, no interval)"
    assert recipes._gain([95.0, 96.0], [94.0, 94.0]) == "+1.50 (-4.85 to +7.85)"  # 12.706 times 0.5 to either side
    assert recipes._gain([95.0], None) is None
