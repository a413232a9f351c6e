"""Recipes are trained alike, kept, and compared at the same seed."""

from __future__ import annotations

import pytest

from kdsearch.bench import recipes
from kdsearch.errors import SpecError

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


def test_torchdistills_term_trains_beside_ours(tmp_path, monkeypatch):
    pytest.importorskip("torchdistill")
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path / "cache"))
    (row,) = recipes.run(**SHORT, seeds=1, folder=str(tmp_path / "made"), only=[recipes.THEIRS])["rows"]
    assert row["accuracy"] > 0


def test_a_gain_is_the_mean_difference_at_the_same_seed_with_its_error():
    assert recipes._gain([3.0, 5.0], [1.0, 1.0]) == "+3.00 +- 1.00"  # differences 2 and 4: deviation 1.41 over root 2
    assert recipes._gain([3.0], None) is None


def test_an_unknown_recipe_is_named():
    with pytest.raises(SpecError, match="unknown recipe 'KDD'"):
        recipes.run(**SHORT, only=["KDD"])


def test_no_seeds_is_a_line(tmp_path):
    with pytest.raises(SpecError, match=r"seeds and epochs must be at least 1 \(got 0 and 30\)"):
        recipes.run(seeds=0, folder=str(tmp_path))


def test_a_gain_of_one_seed_has_no_error():
    assert recipes._gain([95.0], [94.0]) == "+1.00"
    assert recipes._gain([95.0, 96.0], [94.0, 94.0]) == "+1.50 +- 0.50"
