from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from kdsearch.errors import ExportError, SpecError
from kdsearch.files import hash_file
from kdsearch.spec.exported_file import describe_file

ABOUT = {"schema": 1, "format": "torchscript", "classes": ["a", "b"]}


def pack(path: Path, **files: object) -> Path:
    """An archive like TorchScript's with these files inside."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", "")
        for name, content in files.items():
            archive.writestr(f"model/extra/{name}.json", json.dumps(content))
    return path


def test_the_manifest_beside_goes_before_the_one_inside(tmp_path):
    path = pack(tmp_path / "model.ptl", manifest=ABOUT)
    assert describe_file(path) == ABOUT
    listed = {"torchscript_lite": {"path": "model.ptl", "sha256": hash_file(path)}}
    (tmp_path / "manifest.json").write_text(json.dumps(ABOUT | {"files": listed, "seed": 3}))
    found = describe_file(path)
    assert (found["format"], found["seed"]) == ("torchscript_lite", 3)


def test_a_file_that_was_changed_since_is_not_run(tmp_path):
    path = pack(tmp_path / "model.pt", manifest=ABOUT)
    listed = {"torchscript": {"path": "model.pt", "sha256": "0" * 64}}
    (tmp_path / "manifest.json").write_text(json.dumps(ABOUT | {"files": listed}))
    with pytest.raises(ExportError, match=r"model.pt: its SHA-256 is not the one in manifest.json beside it"):
        describe_file(path)


def test_the_manifest_of_other_files_says_nothing_of_this_one(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps(ABOUT | {"files": {"x": {"path": "other.pt"}}, "seed": 3}))
    assert describe_file(pack(tmp_path / "model.pt", manifest=ABOUT)) == ABOUT


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b"no archive"),
        lambda path: pack(path),
        lambda path: pack(path, manifest=[1]),
        lambda path: pack(path, manifest={"schema": 2}),
        lambda path: path.write_bytes(b""),
    ],
)
def test_what_was_not_exported_is_refused_in_a_line(tmp_path, make):
    make(tmp_path / "net.pt")
    with pytest.raises(SpecError, match=r"net.pt: has no manifest, inside or beside it; only files that kdsearch"):
        describe_file(tmp_path / "net.pt")
    with pytest.raises(SpecError, match=r"gone.pt: no such file"):
        describe_file(tmp_path / "gone.pt")
