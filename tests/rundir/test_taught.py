from __future__ import annotations

import pytest

from kdsearch.errors import StoreError
from kdsearch.files import save_json
from kdsearch.rundir.taught import TeachRun, is_teach_run, read_teach_run


def test_a_directory_with_what_was_asked_is_a_teachers(tmp_path):
    assert not is_teach_run(tmp_path)
    save_json(tmp_path / "asked.json", {"net": {"timm": "resnet18"}})
    assert is_teach_run(tmp_path)
    assert read_teach_run(tmp_path) == TeachRun("unfinished", "resnet18")


@pytest.mark.parametrize("asked", [{}, {"net": 3}, {"net": {"net": "nosuch"}}, [1], None, "text"])
def test_what_was_asked_in_another_shape_is_one_line(tmp_path, asked):
    save_json(tmp_path / "asked.json", asked)
    with pytest.raises(StoreError, match=r"asked.json: damaged .*; remove the directory and teach again"):
        read_teach_run(tmp_path)
