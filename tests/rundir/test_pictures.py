import re
from pathlib import Path

import pytest

from kdsearch.records import PictureMade, RunPaths
from kdsearch.rundir.pictures import (
    find_picture,
    keep_picture,
    keeping,
    list_pictures,
    name_trial,
    picture_id,
    pictures_of,
)


def test_pictures_lie_by_training_in_order_of_the_epochs_and_trials_come_last(tmp_path):
    paths = RunPaths(tmp_path)
    for epoch in (12, 2, 10_001):
        keep_picture(paths, PictureMade(name_trial(3), epoch, b"png"))
    keeping(paths, "winner")(1, b"first")
    keeping(paths, "winner")(1, b"taken up again")
    found = list_pictures(paths)
    assert [*found] == ["winner", "trial_0003"]
    assert [path.name for path in found["trial_0003"]] == ["0002.png", "0012.png", "10001.png"]
    assert found["winner"][0].read_bytes() == b"taken up again"


def test_a_run_without_pictures_has_none(tmp_path):
    assert list_pictures(RunPaths(tmp_path)) == {}
    assert pictures_of(RunPaths(tmp_path), "winner") == []


def test_the_dashboards_name_of_a_picture_leads_back_to_its_file(tmp_path):
    paths = RunPaths(tmp_path)
    for number, epoch in ((0, 1), (171, 300)):
        keep_picture(paths, PictureMade(name_trial(number), epoch, b"png"))
        (path,) = pictures_of(paths, name_trial(number))
        name = picture_id(number, path)
        assert re.fullmatch("[0-9a-fA-F-]+", name), "the dashboard has no route to others"
        assert find_picture(paths, name) == path


@pytest.mark.parametrize("name", ["", "-", "1", "1-2-3"])
def test_what_names_no_picture_finds_none(name):
    with pytest.raises(ValueError, match=r"invalid literal|values to unpack"):
        find_picture(RunPaths(Path()), name)
