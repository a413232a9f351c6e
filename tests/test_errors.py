"""What a message says of a name that does not exist, in one place for the whole project."""

from __future__ import annotations

from pathlib import Path

from kdsearch.errors import did_you_mean, first_line

KNOWN = ("resnet20", "resnet32", "vgg11")


def test_a_name_near_a_known_one_is_answered_with_it():
    assert did_you_mean("resnt20", KNOWN) == "; did you mean 'resnet20'?"
    assert did_you_mean("resnet", KNOWN, most=2) == "; did you mean 'resnet32' or 'resnet20'?"


def test_a_name_near_none_adds_nothing():
    assert did_you_mean("zzz", KNOWN) == ""
    assert did_you_mean("x", ()) == ""


def test_nobody_else_looks_for_near_names():
    package = Path(__file__).parents[1] / "kdsearch"
    assert [path.name for path in package.rglob("*.py") if "difflib" in path.read_text()] == ["errors.py"]


def test_of_what_somebody_elses_code_raised_the_beginning_is_told_or_its_kind():
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    assert first_line(ValueError("  sizes differ\nat line 3")) == "sizes differ"
    assert first_line(KeyError()) == "KeyError"
    assert first_line(MuteError()) == "MuteError"
    assert len(first_line(ValueError("x" * 500))) == 160
