"""The example in docs/predict.md, run as a reader would: in a process that cannot import kdsearch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torch import nn

from kdsearch.commands import run
from kdsearch.exporters.base import export_student
from kdsearch.exporters.base_manifest import Manifest
from kdsearch.exporters.torchscript import TorchScript
from tests.pictures import green_corner, save_as_camera

PAGE = Path(__file__).parents[1] / "docs" / "predict.md"
ALONE = """
import sys
for name in ('kdsearch', 'timm', 'torchvision', 'numpy'):
    sys.modules[name] = None
_, code, model, *pictures = sys.argv
for picture in pictures:
    sys.argv = ['predict.py', model, picture]
    exec(code)
"""


class BrightestColour(nn.Module):
    """Three logits: the mean of each colour plane; the class is read off the image by hand."""

    def forward(self, images_BCHW):
        return images_BCHW.mean((2, 3))


def predict(model: Path, *pictures: Path) -> list[list[str]]:
    """What the example says of each picture: the class and its share."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 19
    command = [sys.executable, "-I", "-c", ALONE, code, str(model), *map(str, pictures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


class WhereIsGreen(nn.Module):
    """Four logits: the mean of the green plane in each quarter of the image, row by row."""

    def forward(self, images_BCHW):
        return nn.functional.adaptive_avg_pool2d(images_BCHW[:, 1:2], 2).flatten(1)


def export(net: nn.Module, folder: Path, manifest: Manifest) -> Path:
    exporter = TorchScript(TorchScript.Options(lite=False))
    pixels = torch.rand(4, *manifest.image_shape)
    return export_student(net, pixels, exporter=exporter, folder=folder, manifest=manifest).files["torchscript"]


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_the_example_names_the_class_of_a_picture_without_kdsearch(tmp_path):
    manifest = Manifest(image_shape=(3, 8, 6), mean=(0.5,) * 3, std=(0.1,) * 3, classes=("rouge", "vert", "bleu"))
    picture = tmp_path / "green.png"
    Image.new("RGB", (40, 30), (10, 200, 30)).save(picture)
    ((name, share),) = predict(export(BrightestColour(), tmp_path, manifest), picture)
    # By hand: the logits are (value / 255 - 0.5) / 0.1 for 10, 200 and 30.
    expected = torch.tensor([(value / 255 - 0.5) / 0.1 for value in (10, 200, 30)]).softmax(0)
    assert (name, share) == ("vert", f"{float(expected[1]):.1%}")


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_the_example_turns_photographs_upright_as_training_does(tmp_path):
    manifest = Manifest(image_shape=(3, 16, 16), mean=(0.5,) * 3, std=(0.05,) * 3, classes=("nw", "ne", "sw", "se"))
    pictures = [tmp_path / f"{orientation}.jpg" for orientation in range(1, 9)]
    for orientation, picture in enumerate(pictures, 1):
        save_as_camera(green_corner(), picture, orientation)
    said = predict(export(WhereIsGreen(), tmp_path, manifest), *pictures)
    assert [name for name, _ in said] == ["ne"] * 8


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_the_example_and_the_command_say_the_same_of_images_of_all_shapes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifest = Manifest(image_shape=(3, 8, 6), mean=(0.5,) * 3, std=(0.3,) * 3, classes=("rouge", "vert", "bleu"))
    export(BrightestColour(), tmp_path, manifest)
    noise = numpy.random.default_rng(0)
    pictures = []
    for width, height, mode in ((6, 8, "RGB"), (40, 30, "RGB"), (7, 30, "L"), (101, 33, "RGBA"), (5, 3, "RGB")):
        pixels = noise.integers(0, 256, (height, width, len(mode)), dtype=numpy.uint8)
        pictures.append(Path(f"{width}.png"))
        Image.fromarray(pixels.squeeze(), mode).save(pictures[-1])
    for orientation in (1, 6):
        large = green_corner(400).crop((0, 0, 400, 180))
        pictures.append(Path(f"camera{orientation}.jpg"))
        save_as_camera(large, pictures[-1], orientation)
    alone = [[*words] for words in predict(Path("model.pt"), *pictures)]
    assert run(["predict", "model.pt", *map(str, pictures), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["predictions"]
    assert [[row["label"], f"{row['probability']:.1%}"] for row in told] == alone
    assert [row["file"] for row in told] == [*map(str, pictures)]


def test_the_readme_shows_the_same_example():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code in (PAGE.parents[1] / "README.md").read_text(encoding="utf-8")


def test_every_relative_link_of_the_readme_leads_somewhere():
    readme = (PAGE.parents[1] / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme) if "://" not in link]
    assert links
    assert [link for link in links if not (PAGE.parents[1] / link).exists()] == []
