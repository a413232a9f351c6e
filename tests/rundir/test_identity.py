"""Whether a run is gone on with as it was launched."""

from __future__ import annotations

import logging

import pytest

from kdsearch.errors import StoreError
from kdsearch.records import RunPaths
from kdsearch.rundir.identity import check_identity, note_identity

FACTS = {"data": "d" * 64, "teacher": "t" * 64, "student_weights": "", "given": "ab" * 32}
VERSIONS = {"kdsearch": "0.1.0", "torch": "2.14.0", "numpy": "2.3.1"}


@pytest.fixture
def paths(tmp_path) -> RunPaths:
    note_identity(RunPaths(tmp_path), {"spec.json": "{}"}, FACTS | {"versions": VERSIONS})
    return RunPaths(tmp_path)


def test_what_is_the_same_is_silent(paths, caplog):
    check_identity(paths, FACTS | {"versions": VERSIONS})
    check_identity(paths, {"given": "ab" * 32})
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "data",
            r"other data \(SHA-256 dddddddddddd\.\., now SHA-256 efefefefefef\.\.\); put the files",
        ),
        ("teacher", r"another teacher \(SHA-256 tttttttttttt\.\., now .*\); put that one back"),
        ("student_weights", r"another file of student\.weights \(none, now SHA-256 ef"),
        ("given", r"a net of other weights \(SHA-256 abab.*; pass the net as it was then, or launch a new run"),
    ],
)
def test_what_makes_another_study_is_refused_in_a_line(paths, name, said):
    with pytest.raises(StoreError, match=said) as caught:
        check_identity(paths, FACTS | {name: "ef" * 32})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "version"), [("torch", "2.15.0"), ("numpy", "1.26"), ("kdsearch", "0.1.7")])
def test_other_versions_are_a_warning(paths, caplog, name, version):
    with caplog.at_level(logging.WARNING):
        check_identity(paths, {"versions": VERSIONS | {name: version}})
    assert f"was launched with {name} {VERSIONS[name]} (now {version}); it goes on, but not to the same" in caplog.text


def test_another_minor_version_of_kdsearch_is_refused(paths):
    with pytest.raises(StoreError, match=r"was launched with kdsearch 0\.1\.0, now it is 0\.2\.0, whose scores may"):
        check_identity(paths, {"versions": VERSIONS | {"kdsearch": "0.2.0"}})


def test_a_run_of_before_there_were_identities_is_a_warning(tmp_path, caplog):
    check_identity(RunPaths(tmp_path), FACTS)
    assert "an older kdsearch launched it" in caplog.text


def test_a_flipped_byte_in_what_was_noted_is_noticed(paths):
    path = paths.root / "identity.json"
    path.write_text(path.read_text().replace("2.14.0", "2.14.1"))
    with pytest.raises(StoreError, match=r"identity\.json: damaged .* delete it and resume"):
        check_identity(paths, FACTS)
