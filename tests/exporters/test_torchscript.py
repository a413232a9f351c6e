from __future__ import annotations

import contextlib
import json
import zipfile

import pytest
import torch
from torch import nn

from kdsearch.cost.deployed import quiet_tracing
from kdsearch.errors import ExportError
from kdsearch.exporters.base import export_student
from kdsearch.exporters.base_manifest import Manifest, read_manifest
from kdsearch.exporters.torchscript import TorchScript
from kdsearch.files import hash_file

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120)]

MANIFEST = Manifest(
    image_shape=(1, 12, 12),
    mean=(0.13,),
    std=(0.31,),
    classes=tuple("0123456789"),
    widths={"conv1": 8},
    costs={"macs": 12_345},
    metrics={"accuracy": 0.5},
    latency={"frozen": {"wall_ms": 1.0}},
    lineage={"seed": 3},
)


def make_net() -> nn.Module:
    torch.manual_seed(0)
    block = [nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    net = nn.Sequential(*block, nn.Dropout(0.5), nn.Linear(8, 10))
    net(torch.randn(16, 1, 12, 12))  # leaves running statistics that differ from 0 and 1
    return net


def draw_pixels(count: int = 64) -> torch.Tensor:
    return torch.rand(count, 1, 12, 12, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    exporter = TorchScript(TorchScript.Options())
    folder = tmp_path_factory.mktemp("student")
    return export_student(make_net(), draw_pixels(), exporter=exporter, folder=folder, manifest=MANIFEST)


def test_both_files_are_written_and_agree(exported):
    assert {name: path.name for name, path in exported.files.items()} == {
        "torchscript": "model.pt",
        "torchscript_lite": "model.ptl",
    }
    assert all(0 <= gap < 1e-5 for gap in exported.parity.values())


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_the_file_takes_pixels_in_0_to_1_at_any_batch_size(exported):
    net = make_net().eval()
    pixels = draw_pixels(5)
    with torch.no_grad():
        expected = net((pixels - 0.13) / 0.31)
        torch.testing.assert_close(torch.jit.load(exported.files["torchscript"])(pixels), expected)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_optimize_for_inference_after_loading_computes_the_same(exported):
    pixels = draw_pixels(1)
    plain = torch.jit.load(exported.files["torchscript"])
    with torch.no_grad():
        expected = plain(pixels)
        tuned = torch.jit.optimize_for_inference(torch.jit.load(exported.files["torchscript"]))
        torch.testing.assert_close(tuned(pixels), expected)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_the_manifest_inside_is_the_one_beside_less_the_hashes(exported):
    extra = {"manifest.json": ""}
    torch.jit.load(exported.files["torchscript"], _extra_files=extra)
    inside = json.loads(extra["manifest.json"])
    beside = read_manifest(exported.files["torchscript"].parent)
    assert beside["sha256"] == hash_file(exported.files["torchscript"])
    assert set(beside) - set(inside) == {"sha256", "files"}
    assert {key: value for key, value in beside.items() if key in inside} == inside


def test_the_lite_file_holds_its_manifest_too(exported):
    with zipfile.ZipFile(exported.files["torchscript_lite"]) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/extra/manifest.json"))
        inside = json.loads(archive.read(name))
    assert inside["format"] == "torchscript_lite"
    assert inside["lineage"] == {"seed": 3}


class Traced(nn.Sequential):
    """Counts how often it was traced, copies of it included."""

    traces = 0

    def forward(self, pixels):
        Traced.traces += torch.jit.is_tracing()
        return super().forward(pixels)


def test_the_lite_file_is_written_only_if_asked_for_and_a_net_is_traced_once(tmp_path):
    exporter = TorchScript(TorchScript.Options(lite=False))
    done = export_student(Traced(make_net()), draw_pixels(2), exporter=exporter, folder=tmp_path, manifest=MANIFEST)
    assert set(done.files) == {"torchscript"}
    assert Traced.traces == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "model.pt"]


class DataDependent(nn.Module):
    """Its trace takes the branch of the first image for all images: the error that tracing makes in silence."""

    def forward(self, pixels):
        flat = pixels.flatten(1)[:, :10]
        return flat if float(flat.sum()) > 0 else -flat


def test_a_trace_that_took_the_wrong_branch_is_refused(tmp_path):
    pixels = torch.cat([draw_pixels(1), torch.zeros(1, 1, 12, 12)])
    manifest = Manifest(image_shape=(1, 12, 12), mean=(0.13,), std=(0.31,), classes=tuple("0123456789"))

    class PerImage(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = DataDependent()

        def forward(self, batch):
            return torch.cat([self.inner(image[None]) for image in batch])

    with pytest.raises(ExportError, match="differs from the net"):
        export_student(
            PerImage(), pixels, exporter=TorchScript(TorchScript.Options()), folder=tmp_path, manifest=manifest
        )
    assert list(tmp_path.iterdir()) == []


def test_saving_what_optimize_for_inference_returns_would_be_caught(tmp_path):
    class Tuned(TorchScript):
        def convert(self, model, example_BCHW, name):
            with quiet_tracing():
                return torch.jit.optimize_for_inference(super().convert(model, example_BCHW, name))

    with pytest.raises(ExportError, match="cannot be loaded again"):
        export_student(
            make_net(), draw_pixels(2), exporter=Tuned(Tuned.Options(lite=False)), folder=tmp_path, manifest=MANIFEST
        )
    assert list(tmp_path.iterdir()) == []


def test_a_net_that_cannot_be_traced_is_one_line(tmp_path):
    class Untraceable(nn.Module):
        def forward(self, pixels):
            if torch.jit.is_tracing():
                raise RuntimeError("first line\nthe reason")
            return pixels.flatten(1)[:, :10]

    exporter = TorchScript(TorchScript.Options())
    with pytest.raises(ExportError, match=r"model\.pt: torch\.jit cannot write this net: the reason"):
        export_student(Untraceable(), draw_pixels(1), exporter=exporter, folder=tmp_path, manifest=MANIFEST)


@pytest.mark.parametrize("left", [0, 4096, 16384])
def test_a_disk_that_is_full_is_one_line_and_not_the_end_of_the_process(tiny_disk, left):
    with (tiny_disk / "others").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with (tiny_disk / "others").open("r+b") as file:
        file.truncate((tiny_disk / "others").stat().st_size - left)
    exporter = TorchScript(TorchScript.Options())
    with pytest.raises(ExportError, match=r"(No|no) space left on device") as caught:
        export_student(make_net(), draw_pixels(4), exporter=exporter, folder=tiny_disk / "out", manifest=MANIFEST)
    assert len(str(caught.value).splitlines()) == 1
