from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from kdsearch.cli.studies import watching
from kdsearch.commands import run
from kdsearch.progress import Progress
from kdsearch.spec.sources import shipped_studies
from kdsearch.spec.study_spec import load_spec
from tests.cli.test_teach import MISTAKES
from tests.plugging import plugged


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_validate_says_that_a_study_is_valid(capsys):
    assert run(["validate", "metapruning.yaml"]) == 0
    assert capsys.readouterr().out == "metapruning.yaml: a valid study\n"


def test_validate_remarks_on_files_that_are_not_there(capsys, tmp_path):
    assert run(["validate", "metapruning_folder", "--set", "student.weights=w.safetensors"]) == 0
    said = capsys.readouterr()
    assert said.out == "metapruning_folder: a valid study; launch needs the files above\n"
    first, second = said.err.splitlines()
    assert first.startswith("metapruning_folder.yaml:")
    assert first.endswith(f"task.folder: {tmp_path / 'images'} does not exist")
    assert second.startswith("--set student.weights=w.safetensors: student.weights: ")


def test_launch_refuses_files_that_are_not_there_before_anything_else(capsys):
    assert run(["launch", "metapruning_folder"]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_validate_and_launch_remark_on_options_without_effect(capsys):
    words = ["metapruning_folder", "--set", "strategy.rank=3"]
    expected = "--set strategy.rank=3: strategy.rank: has no effect: generator: slim has none, generator: lowrank has"
    assert run(["validate", *words]) == 0
    assert expected in capsys.readouterr().err.splitlines()
    assert run(["validate", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["without_effect"] == [expected]
    made = ["--set", "task={npz: none.npz}", "--set", "strategy.rank=3"]
    Path("none.npz").write_text("no archive")
    assert run(["launch", "metapruning", *made]) == 2
    assert capsys.readouterr().err.splitlines()[0] == expected


def test_a_run_is_watched_in_the_figure_of_its_task(tmp_path, capsys):
    with plugged(tmp_path, mistakes=("tasks", MISTAKES)):
        spec = load_spec("quickstart", ["task={name: mistakes, dataset: mnist5k}"])
        with watching(argparse.Namespace(quiet=False), spec) as watch:
            watch(Progress("search", 1, 4, values={"best": 0.125}))
    assert "best-ranked 12.5 of 100" in capsys.readouterr().err


def test_validate_as_json_holds_the_resolved_study_or_the_mistakes(capsys):
    assert run(["validate", "quickstart", "--set", "seed=7", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["valid"], found["spec"]["seed"], found["missing_files"]) == (True, 7, [])
    assert run(["validate", "quickstart", "--set", "seed=x", "--json"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["mistakes"] == ["--set seed=x: seed: must be a whole number (got x)"]
    assert said.err == "--set seed=x: seed: must be a whole number (got x)\n"


def test_init_copies_a_study_with_its_comments_and_never_over_a_file(capsys):
    assert run(["init", "metapruning"]) == 0
    assert capsys.readouterr().out == "metapruning.yaml: edit it, then: kdsearch launch metapruning.yaml\n"
    assert Path("metapruning.yaml").read_bytes() == shipped_studies()["metapruning.yaml"].read_bytes()
    assert load_spec("metapruning.yaml").name == "metapruning"
    Path("metapruning.yaml").write_text("mine")
    assert run(["init", "metapruning.yaml"]) == 2
    assert capsys.readouterr().err == "metapruning.yaml: is there already; name another file with --to\n"
    assert Path("metapruning.yaml").read_text() == "mine"


def test_init_answers_what_it_cannot_do_in_a_line(capsys):
    assert run(["init", "metaprunin"]) == 2
    assert "did you mean 'metapruning.yaml'?" in capsys.readouterr().err
    assert run(["init", "metapruning", "--to", "no/such/a.yaml"]) == 2
    assert (
        capsys.readouterr().err
        == "no/such/a.yaml: cannot be written: No such file or directory; name another file with --to\n"
    )
