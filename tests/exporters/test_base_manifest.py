"""What stands beside an exported student."""

from __future__ import annotations

import functools
import hashlib
import json

import pytest

from kdsearch.errors import ExportError
from kdsearch.exporters.base_manifest import (
    MADE_BY,
    Manifest,
    forget_damaged,
    list_weights,
    read_manifest,
    to_json,
)
from kdsearch.files import hash_file
from kdsearch.spec.exported_file import MANIFEST as FILE_NAME

MANIFEST = Manifest(
    image_shape=(1, 28, 20), mean=(0.1,), std=(0.3,), classes=("nought", "größe"), widths={"conv": 3}, costs={"macs": 9}
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"weights")
    about = {"path": "model.pt", "sha256": hashlib.sha256(b"weights").hexdigest()}
    (tmp_path / FILE_NAME).write_text(to_json(MANIFEST.describe("torchscript", {}) | {"files": {"torchscript": about}}))
    return tmp_path


def test_an_application_learns_how_to_call_the_file():
    described = MANIFEST.describe("torchscript", {"torchscript": 1e-6})
    assert described["input"] | {"mean": None, "std": None} == {
        "shape": [1, 1, 28, 20],
        "dtype": "float32",
        "layout": "NCHW",
        "colours": "grey",
        "range": [0, 1],
        "mean": None,
        "std": None,
        "normalised_inside": True,
        "made_by": MADE_BY,
    }
    assert described["output"] == {"shape": [1, 2], "dtype": "float32", "meaning": "logits"}
    coloured = Manifest(image_shape=(3, 8, 8), mean=(0, 0, 0), std=(1, 1, 1), classes=("a", "b"))
    assert coloured.describe("torchscript", {})["input"]["colours"] == "RGB"


def test_as_text_it_keeps_names_and_refuses_what_json_cannot_say():
    described = MANIFEST.describe("torchscript", {"torchscript": 0.0})
    assert "größe" in to_json(described)
    assert json.loads(to_json(described)) == described
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(described | {"metrics": {"accuracy": float("nan")}})


def test_files_that_are_as_they_were_written_are_described(folder):
    assert read_manifest(folder)["classes"] == ["nought", "größe"]
    assert hash_file(folder / "model.pt") == hashlib.sha256(b"weights").hexdigest()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: (folder / "model.pt").write_bytes(b"weightz"), r"model\.pt: its SHA-256 is not the one in"),
        (lambda folder: (folder / "model.pt").unlink(), r"model\.pt: missing, though .* lists it as torchscript"),
        (lambda folder: (folder / FILE_NAME).unlink(), r"manifest\.json: cannot be read"),
        (lambda folder: (folder / FILE_NAME).write_text("{"), r"manifest\.json: cannot be read"),
        (lambda folder: (folder / FILE_NAME).write_text('{"schema": 0}'), r"manifest\.json: needs schema 1"),
        (lambda folder: (folder / FILE_NAME).write_text("[]"), r"manifest\.json: needs schema 1"),
    ],
)
def test_files_that_are_not_are_named(folder, harm, words):
    harm(folder)
    with pytest.raises(ExportError, match=words):
        read_manifest(folder)


def places(value, at=()):
    """Every key below a JSON value, of a list its first item."""
    inner = value.items() if isinstance(value, dict) else [*enumerate(value)][:1] if isinstance(value, list) else ()
    for key, below in inner:
        yield (*at, key)
        yield from places(below, (*at, key))


@pytest.mark.parametrize("harm", ["lost", None, 7, "x", [1], {"a": 1}])
def test_a_manifest_of_another_shape_is_one_line_or_says_what_is_needed(folder, harm):
    path = folder / FILE_NAME
    whole = json.loads(path.read_text())
    for place in places(whole):
        changed = json.loads(path.read_text())
        above = functools.reduce(lambda inner, key: inner[key], place[:-1], changed)
        if harm == "lost":
            del above[place[-1]]
        else:
            above[place[-1]] = harm
        (folder / "other").mkdir(exist_ok=True)
        (folder / "other" / FILE_NAME).write_text(json.dumps(changed))
        (folder / "other" / "model.pt").write_bytes(b"weights")
        said = told(folder / "other")
        assert len(said.splitlines()) == ("manifest.json" in said), place
        assert said or place[0] not in ("schema", "files") or place == ("files", "torchscript"), place


def told(folder) -> str:
    """What is said of a manifest; nothing of one that is taken, whose files can be gone through."""
    try:
        assert all(about["path"] for about in read_manifest(folder)["files"].values())
    except ExportError as error:
        return str(error)
    return ""


def test_a_damaged_manifest_of_a_runs_own_folder_is_forgotten_with_a_warning(folder, caplog):
    forget_damaged(folder)
    assert read_manifest(folder)
    (folder / FILE_NAME).write_text("[" * 10**5)
    forget_damaged(folder)
    assert "cannot be read" in caplog.text
    assert "it is written again" in caplog.text
    assert not (folder / FILE_NAME).exists()
    forget_damaged(folder)


def test_weights_are_not_added_to_what_is_no_manifest(folder):
    (folder / FILE_NAME).write_text('{"schema": 1, "files": 5}')
    with pytest.raises(ExportError, match=r"manifest\.json: damaged \(files: "):
        list_weights(folder, MANIFEST, folder / "model.pt")
