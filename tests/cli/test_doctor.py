from __future__ import annotations

import json

import pytest

from kdsearch.cli import doctor
from kdsearch.commands import run


@pytest.mark.medium
@pytest.mark.timeout(60)
def test_doctor_finds_this_installation_well_and_says_where_things_go(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path / "cache/deep"))
    assert run(["doctor"]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[-1] == "all is well"
    assert f"cache        {tmp_path}/cache/deep (" in text
    assert run(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["packages"]["torch"]
    assert found["memory_bytes"] > 2**28
    assert not (tmp_path / "cache").exists()


@pytest.mark.medium
@pytest.mark.timeout(60)
def test_doctor_fails_on_a_missing_package_and_says_how_to_get_an_extra(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_REQUIRED", ("torch", "no-such-package"))
    monkeypatch.setattr(doctor, "_EXTRAS", {"ray": ("no-such-ray",)})
    assert run(["doctor"]) == 1
    text = capsys.readouterr().out
    assert "PROBLEM      no-such-package is missing: pip install no-such-package" in text
    assert "ray          not installed: in the checkout, pip install -e '.[ray]'" in text
