from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdsearch.cli.overwriting import refuse_others, remove_others, replacing
from kdsearch.errors import SpecError

NAMES = ("model.pt", "weights.safetensors")


def row(accuracy: float = 0.9, **widths: int) -> dict:
    """A student as a summary has it."""
    lineage = {"origin": "mutation of 3", "seeds": {"2000": accuracy}, "validated": {"2000": 0.8}, "budget": 0}
    return {"widths": widths or {"conv": 8}, "lineage": lineage}


def export(folder: Path, student: dict, *more: str) -> None:
    """What an export of the student leaves; ``more``: files of another format."""
    folder.mkdir(exist_ok=True)
    for name in (*NAMES, *more):
        (folder / name).write_text(name)
    files = {name: {"path": name} for name in ("model.pt", *more)}
    lineage = student["lineage"] | {"study": "digits"}
    about = {"widths": student["widths"], "lineage": lineage, "files": files, "weights": {"path": NAMES[1]}}
    (folder / "manifest.json").write_text(json.dumps(about))


def test_an_empty_folder_and_the_students_own_files_are_written(tmp_path):
    refuse_others(tmp_path, row(), NAMES)
    refuse_others(tmp_path / "none", row(), NAMES)
    export(tmp_path, row())
    refuse_others(tmp_path, row(), NAMES)
    remove_others(tmp_path, row())
    assert (tmp_path / "model.pt").exists()


@pytest.mark.parametrize("other", [row(conv=16), row(accuracy=0.91)], ids=["other widths", "trained otherwise"])
def test_another_students_files_are_refused_and_named(tmp_path, other):
    export(tmp_path, row())
    wanted = r"holds another student, mutation of 3 of study digits; --force replaces it, or name another folder with"
    with pytest.raises(SpecError, match=wanted):
        refuse_others(tmp_path, other, NAMES)


@pytest.mark.parametrize("manifest", [None, "{", "[]", "3", '{"lineage": 3, "widths": null}'])
def test_files_that_no_manifest_describes_are_refused_too(tmp_path, manifest):
    (tmp_path / "model.pt").write_text("mine")
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(SpecError, match="--force replaces it"):
        refuse_others(tmp_path, row(), NAMES)


def test_replacing_leaves_nothing_that_passes_for_the_new_students(tmp_path):
    export(tmp_path, row(), "model.onnx")
    (tmp_path / "notes.txt").write_text("mine")
    remove_others(tmp_path, row(conv=16))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("path", ["../kept", "sub/kept", "{there}/kept"])
def test_a_manifest_that_lists_files_elsewhere_removes_none_of_them(tmp_path, path):
    folder = tmp_path / "phone"
    (folder / "sub").mkdir(parents=True)
    kept = (tmp_path / "kept", folder / "sub" / "kept")
    for each in kept:
        each.write_text("mine")
    listed = {"files": {"x": {"path": path.format(there=tmp_path)}, "y": 3, "z": {}}, "weights": "text"}
    (folder / "manifest.json").write_text(json.dumps(listed))
    remove_others(folder, row())
    assert all(each.exists() for each in kept)
    assert not (folder / "manifest.json").exists()


def test_another_students_files_go_only_once_the_new_ones_are_there(tmp_path):
    export(tmp_path, row(), "model.pte")
    (tmp_path / "mine.txt").touch()
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    with pytest.raises(FileNotFoundError), replacing(tmp_path, row(conv=16)) as place:
        (place / "model.pt").write_bytes((place / "half").read_bytes())
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
    with replacing(tmp_path, row(conv=16)) as place:
        export(place, row(conv=16))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "mine.txt", *NAMES]
    assert json.loads((tmp_path / "manifest.json").read_text())["widths"] == {"conv": 16}


def test_the_students_own_files_are_added_to(tmp_path):
    export(tmp_path, row())
    with replacing(tmp_path, row()) as place:
        assert place == tmp_path
