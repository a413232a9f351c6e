"""What every exporter must do, whatever runtime it is for."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from kdsearch import registry
from kdsearch.exporters.base import TOLERANCE, Exporter, export_student
from kdsearch.exporters.base_manifest import Manifest, read_manifest

PACKAGE = "kdsearch.exporters"
NAMES = registry.available(PACKAGE)
MANIFEST = Manifest(image_shape=(3, 16, 16), mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.3), classes=tuple("abcdefgh"))


def make_net() -> nn.Module:
    """Strided, depthwise and 1x1 convolutions, batch norm with real statistics, dropout, pooling."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU6(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False),
        nn.BatchNorm2d(16),
        nn.Conv2d(16, 24, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(24, 8),
    )
    net(torch.randn(32, 3, 16, 16))
    return net


def make_exporter(name: str) -> Exporter:
    kind = registry.find(PACKAGE, name)
    assert issubclass(kind, Exporter)
    return kind(kind.Options())


@pytest.mark.parametrize("name", NAMES)
def test_options_can_be_read_without_torch(name):
    program = f"import sys; from kdsearch import registry; registry.find({PACKAGE!r}, {name!r}).Options(); "
    check = "sys.exit(any(package in sys.modules for package in ('torch', 'timm', 'executorch', 'onnx')))"
    assert subprocess.run([sys.executable, "-c", program + check], check=False, timeout=30).returncode == 0


def test_no_two_formats_share_a_name_or_a_file():
    forms = [form for name in NAMES for form in make_exporter(name).formats()]
    assert len(forms) >= len(NAMES) > 0
    assert len({form.name for form in forms}) == len({form.file_name for form in forms}) == len(forms)


@pytest.mark.medium
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", NAMES)
def test_a_net_goes_out_and_computes_the_same_when_loaded(name, tmp_path):
    net, exporter = make_net(), make_exporter(name)
    pixels = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    exported = export_student(net, pixels, exporter=exporter, folder=tmp_path, manifest=MANIFEST)
    assert set(exported.files) == set(exported.parity) == {form.name for form in exporter.formats()}
    assert set(read_manifest(tmp_path)["files"]) == set(exported.files)
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (MANIFEST.mean, MANIFEST.std))
    with torch.no_grad():
        expected = net.eval()((pixels - mean) / std)
        for path in exported.files.values():
            run = exporter.load(path)
            found = torch.cat([run(image[None]) for image in pixels])
            assert float((found - expected).abs().max()) <= TOLERANCE * max(1, float(expected.abs().max()))
            assert not torch.allclose(expected[0], expected[1])  # the net does tell images apart
