"""Preparing is done once a run, and again where a byte of it has changed."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from kdsearch.strategies.scratch import Scratch
from kdsearch.study.preparing import prepare
from tests.toys import toy_study

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds


class Counting(Scratch):
    """Leaves a file when it prepares, and counts how often it does and reads it."""

    prepared = loaded = 0

    def prepare(self, ctx, watch):  # noqa: ARG002
        self.prepared += 1
        (ctx.paths.prepared / "made.bin").write_bytes(b"made")
        return {"times": self.prepared}

    def load(self, ctx):  # noqa: ARG002
        self.loaded += 1


@pytest.fixture
def study(tmp_path):
    study = toy_study(tmp_path)
    study.ctx.paths.prepared.mkdir(parents=True, exist_ok=True)
    return replace(study, strategy=Counting(Scratch.Options()))


def test_it_is_prepared_once_and_read_afterwards(study):
    first = prepare(study, lambda _: None)
    assert (first["times"], first["finish"]) == (1, {})
    assert prepare(study, lambda _: None) == first
    assert (study.strategy.prepared, study.strategy.loaded) == (1, 1)


def test_a_changed_byte_has_it_prepared_again_with_a_warning(study, caplog):
    prepare(study, lambda _: None)
    made = study.ctx.paths.prepared / "made.bin"
    made.write_bytes(b"mada")
    with caplog.at_level(logging.WARNING):
        assert prepare(study, lambda _: None)["times"] == 2
    assert "it is prepared again" in caplog.text
    assert made.read_bytes() == b"made"


def test_what_was_prepared_half_is_prepared_again(study):
    prepare(study, lambda _: None)
    (study.ctx.paths.prepared / "hashes.json").unlink()
    assert prepare(study, lambda _: None)["times"] == 2
