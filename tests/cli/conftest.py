from __future__ import annotations

import pytest

from kdsearch.records import RunPaths
from kdsearch.rundir.store import create_run
from kdsearch.spec.study_spec import load_spec


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> None:
    """A folder of its own, where runs/ is made."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def begun(elsewhere) -> RunPaths:
    """A run of which nothing but its study is there."""
    return create_run(load_spec("quickstart"))
