import pytest

from kdsearch.bench.base_coverage_nets import Entry
from kdsearch.bench.coverage import measure_coverage, run, summarise

pytestmark = pytest.mark.timeout(30)  # milliseconds each on a quiet machine


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_a_row_says_how_much_of_a_net_can_be_cropped():
    seen = []
    table = run(("lcnet_035", "torchvision/squeezenet1_1"), on_row=seen.append)
    assert seen == table["nets"]
    for row in table["nets"]:
        assert row["status"] == "ok"
        assert row["macs_share"] > 0.9
        assert row["parity"] <= 1e-5
        assert row["export_parity"] <= 1e-4
    assert table["summary"]["covered_share"] == 1.0
    assert table["summary"]["tracebacks"] == 0


def test_a_net_that_does_not_exist_is_refused_in_one_line():
    table = measure_coverage([Entry("resnet_of_nobody", "timm", "resnet")])
    assert table["nets"][0]["status"] == "refused"
    assert "no net is called resnet_of_nobody" in table["nets"][0]["reason"]
    assert table["summary"]["tracebacks"] == 0


def test_the_summary_counts_nets_of_which_most_can_be_cropped():
    def row(status, share, reason=""):
        return {"status": status, "macs_share": share, "reason": reason}

    rows = [row("ok", 1.0), row("ok", 0.5), row("refused", None, "cropped and compact differ by 1"), row("ok", 0.6)]
    summary = summarise(rows)
    assert (summary["nets"], summary["ok"], summary["covered"]) == (4, 3, 2)
    assert summary["covered_share"] == 0.5
    assert summary["parity_failures"] == 1
