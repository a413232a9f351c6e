from __future__ import annotations

from tests.curves import curve_study, search_curves


def test_it_stops_none_and_has_none_report(tmp_path):
    """A report costs a pass over the validation images."""
    study = curve_study(tmp_path, "name: nop", [(0.9, 0.1, 0.1)] * 3)
    found = search_curves(study)
    assert [(each.figure, each.curve, each.partial) for each in found] == [(0.1, (), False)] * 3
    assert study.make_pruning() is None
    assert study.strategy.reports == {}
