import base64

from kdsearch.records import RunPaths
from kdsearch.report.gallery import show_pictures
from kdsearch.rundir.pictures import keeping


def test_the_first_the_last_and_some_between_are_in_the_page(tmp_path):
    for epoch in range(1, 11):
        keeping(RunPaths(tmp_path), "bank")(epoch, b"%d" % epoch)
    keeping(RunPaths(tmp_path), "trial_0003")(7, b"seven")
    gallery = show_pictures(RunPaths(tmp_path))
    assert [title for title, _ in gallery.rows] == ["bank", "trial 0003"]
    assert [picture.words for picture in gallery.rows[0][1]] == [f"evaluation {at}" for at in (1, 4, 7, 10)]
    assert gallery.rows[1][1][0].source == "data:image/png;base64," + base64.b64encode(b"seven").decode()
    assert gallery.note.endswith("pictures.")


def test_a_page_of_many_trainings_shows_some_and_says_where_the_others_are(tmp_path):
    for number in range(9):
        keeping(RunPaths(tmp_path), f"trial_{number:04d}")(1, b"png")
    gallery = show_pictures(RunPaths(tmp_path))
    assert len(gallery.rows) == 6
    assert "3 more trainings and trials too." in gallery.note


def test_without_pictures_there_is_no_section(tmp_path):
    assert show_pictures(RunPaths(tmp_path)) is None
