"""The house stays as it was found: small files, short functions, a test beside every module, errors with a remedy."""

from __future__ import annotations

import pytest

from tests.house import ROOT, Raised, file_lines, functions, list_modules, raised, says_what_to_do, unmirrored


def test_no_file_has_more_than_300_lines():
    assert file_lines()[-1] <= 300


def test_functions_stay_short():
    lines = [function.lines for function in functions()]
    assert sum(line > 25 for line in lines) <= 30
    assert lines[-1] <= 40


def test_errors_say_what_is_allowed_or_what_to_do():
    found = raised()
    assert len(found) > 300
    assert sum(map(says_what_to_do, found)) >= 0.85 * len(found)


@pytest.mark.parametrize(
    ("text", "helps"),
    [
        ("{path}: damaged; delete it and resume", True),
        ("budget.trials: {trials} trials cannot serve 2 budgets; raise it", True),
        ("must be 1 or more (got 0)", True),
        ("unknown net 'resnet21'; known: resnet20", True),
        ("{said}", True),
        ("{path}: cannot be read: {error}", False),
        ("it was set to nothing, and nobody knows the use", False),
    ],
)
def test_only_an_imperative_a_bound_or_a_list_counts_as_a_remedy(text, helps):
    assert says_what_to_do(Raised("", text)) is helps


def test_modules_have_a_test_of_their_own():
    missing, wanted = unmirrored()
    assert len(missing) <= 0.1 * wanted, missing


def test_the_page_on_architecture_lists_every_module():
    listed = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("## Every module\n")[1].splitlines()
    places = [line.split("`: ")[0] for line in list_modules()]
    found = [line.split("`: ")[0] for line in listed if line]
    wanted = [place for place in places if place]
    assert found == wanted, "write the list anew: python -m tests.house modules"
