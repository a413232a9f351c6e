"""What a summary says."""

from __future__ import annotations

from kdsearch.study.summary import versions


def test_versions_name_what_a_result_depends_on():
    assert {"python", "kdsearch", "torch", "timm", "optuna"} <= versions().keys()
