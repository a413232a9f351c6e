from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from kdsearch.commands import run
from kdsearch.exporters.base import export_student
from kdsearch.exporters.base_manifest import Manifest
from kdsearch.exporters.torchscript import TorchScript
from kdsearch.rundir.store import create_run, write_summary
from kdsearch.spec.study_spec import load_spec
from tests.report.conftest import WINNER, blank, make_student

COLOURS = {"rouge": (230, 10, 30), "vert": (10, 200, 30), "bleu": (0, 0, 255)}


class BrightestColour(nn.Module):
    """Three logits: the mean of each colour plane; the class is read off the image by hand."""

    def forward(self, images_BCHW):
        return images_BCHW.mean((2, 3))


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """The folder of an export; logits are (value / 255 - 0.5) / 0.1 of each colour."""
    folder = tmp_path_factory.mktemp("exported")
    manifest = Manifest(image_shape=(3, 4, 4), mean=(0.5,) * 3, std=(0.1,) * 3, classes=tuple(COLOURS))
    pixels = torch.rand(4, 3, 4, 4)
    export_student(
        BrightestColour(), pixels, exporter=TorchScript(TorchScript.Options()), folder=folder, manifest=manifest
    )
    return folder


@pytest.fixture(autouse=True)
def pictures(tmp_path, monkeypatch) -> Path:
    """photos/ with an image of each colour, one in a folder below, and what are no images."""
    monkeypatch.chdir(tmp_path)
    folder = Path("photos")
    (folder / "more").mkdir(parents=True)
    for name, colour in COLOURS.items():
        place = folder / "more" if name == "bleu" else folder
        Image.new("RGB", (9, 5), colour).save(place / f"{name}.PNG")
    (folder / "notes.txt").write_text("no image by its name")
    return folder


def expected(colour: str) -> float:
    logits = torch.tensor([(value / 255 - 0.5) / 0.1 for value in COLOURS[colour]])
    return float(logits.softmax(0).max())


@pytest.mark.parametrize("file", ["model.pt", "model.ptl"])
def test_every_image_of_a_folder_gets_its_class_and_probability(exported, file, capsys):
    assert run(["predict", str(exported / file), "photos"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"photos/{name}.PNG  {colour} {100 * expected(colour):.1f} %"
        for name, colour in (("more/bleu", "bleu"), ("rouge", "rouge"), ("vert", "vert"))
    ]


def test_csv_and_json_have_the_figures_whole(exported, capsys):
    assert run(["predict", str(exported / "model.pt"), "photos/vert.PNG", "--csv", "--top", "2"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["file"], row["label"], row["label_2"]) == ("photos/vert.PNG", "vert", "bleu")
    assert float(row["probability"]) == pytest.approx(expected("vert"), abs=1e-6)
    assert run(["predict", str(exported / "model.pt"), "photos/vert.PNG", "--json", "--top", "9"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["predictions"]
    assert [each["label"] for each in told["top"]] == ["vert", "bleu", "rouge"]
    assert sum(each["probability"] for each in told["top"]) == pytest.approx(1)


def test_broken_images_are_named_and_the_rest_is_done(exported, pictures, capsys):
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    (pictures / "text.png").write_text("text")
    whole = (pictures / "vert.PNG").read_bytes()
    (pictures / "cut.png").write_bytes(whole[: len(whole) - 30])
    Path("empty").mkdir()
    words = ["predict", str(exported / "model.pt"), "gone.png", "photos", "empty"]
    assert run(words) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    assert [line.partition(":")[0] for line in said.err.splitlines()] == [
        "gone.png",
        "photos/broken.jpg",
        "photos/cut.png",
        "photos/text.png",
        "empty",
    ]
    assert run([*words, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (len(told["predictions"]), len(told["broken"])) == (3, 5)


def finish(exported: Path) -> Path:
    """A run whose winner was exported and whose uniform net was not."""
    paths = create_run(load_spec("quickstart"))
    (paths.students / "winner").symlink_to(exported)
    files = {"torchscript": "students/winner/model.pt", "weights": "students/winner/weights.safetensors"}
    winner = make_student("winner", WINNER, accuracy=0.5, macs=9) | {"files": files}
    rows = [winner, make_student("uniform", WINNER, accuracy=0.5, macs=9) | {"files": {}}]
    write_summary(paths, blank(name="quickstart", students=rows))
    return paths.root


def test_of_a_run_it_is_the_winners_first_file(exported, capsys):
    root = finish(exported)
    assert run(["predict", "quickstart", "photos/vert.PNG", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == str(root / "students/winner/model.pt")
    assert told["predictions"][0]["label"] == "vert"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["quickstart", "--student", "uniform"], "{root}: uniform was not exported; name the model that this writes: "),
        (["quickstart", "--student", "wrong"], "--student wrong: unknown student 'wrong'; known: winner, uniform"),
        (["nosuch"], "nosuch: not a run directory, nor the name of a run (quickstart)"),
        (["photos/vert.PNG"], "photos/vert.PNG: has no manifest, inside or beside it; "),
        (["{model}", "--student", "uniform"], "{model}: is one student's file; --student is for a run"),
    ],
)
def test_what_is_no_exported_student_is_one_line(exported, words, line, capsys):
    places = {"root": finish(exported), "model": exported / "model.pt"}
    text, *more = (word.format(**places) for word in words)
    assert run(["predict", text, "photos/vert.PNG", *more]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(line.format(**places))


def test_outputs_that_are_no_classes_are_not_taken_for_such(exported, tmp_path, capsys):
    about = json.loads((exported / "manifest.json").read_text())
    about["output"]["meaning"] = "angles in degrees"
    (tmp_path / "manifest.json").write_text(json.dumps(about))
    (tmp_path / "model.pt").write_bytes((exported / "model.pt").read_bytes())
    assert run(["predict", "model.pt", "photos/vert.PNG"]) == 1
    assert capsys.readouterr().err.startswith("model.pt: its outputs are angles in degrees, not classes; ")


def test_a_number_of_classes_below_one_is_refused(capsys):
    with pytest.raises(SystemExit):
        run(["predict", "x", "y", "--top", "0"])
    assert "argument --top: must be 1 or more (got 0)" in capsys.readouterr().err
