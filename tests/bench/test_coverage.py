import pytest
import torch
from torch import nn

from kdsearch.bench.base_coverage_nets import Entry, why_no_cnn
from kdsearch.bench.coverage import measure_coverage, run, summarise
from tests.models.nets import Residual

IMAGE = (3, 16, 16)
pytestmark = pytest.mark.timeout(30)  # milliseconds each on a quiet machine


class Attending(Residual):
    def forward(self, x):
        x = self.stem(x).flatten(2)
        return self.classifier((x @ (x.transpose(1, 2) @ x).softmax(-1)).mean(2))


class Mixing(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches, self.mix, self.classifier = nn.Conv2d(3, 8, 4, 4), nn.Linear(16, 16), nn.Linear(8, 5)

    def forward(self, x):
        return self.classifier(self.mix(self.patches(x).flatten(2)).mean(2))


class Plain(nn.Sequential):
    def __init__(self):
        layers = [nn.Conv2d(3 if at == 0 else 8, 8, 3) for at in range(4)]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


def test_attention_and_mixers_are_no_cnns_and_convolutions_are():
    assert "multiplies activations" in why_no_cnn(Attending(), IMAGE)
    assert "1 convolutions with a kernel above 1" in why_no_cnn(Mixing(), IMAGE)
    assert "recurrent" in why_no_cnn(nn.Sequential(nn.LSTM(3, 3)), IMAGE)
    assert why_no_cnn(Plain(), IMAGE) is None


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


def test_a_net_that_does_not_run_on_small_images_gets_its_own_size():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 224 * 224, 1))
    assert Entry("any", "timm", "any").image_shape(net) == (3, 224, 224)


def test_image_sizes_follow_the_net():
    net = torch.nn.Identity()
    assert Entry("any", "timm", "any").image_shape(net) == (3, 128, 128)
    net.pretrained_cfg = {"input_size": (3, 240, 240), "fixed_input_size": True}
    assert Entry("any", "timm", "any").image_shape(net) == (3, 240, 240)
