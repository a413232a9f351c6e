from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch

from kdsearch.candidates.space import Candidate, Choice
from kdsearch.datafree.pictures import Block, draw_grid
from kdsearch.records import Outcome, PictureMade, RunPaths
from kdsearch.rundir.ledger import Ledger
from kdsearch.rundir.pictures import keep_picture, name_trial, pictures_of
from kdsearch.rundir.store import create_run, write_summary
from kdsearch.spec.study_spec import load_spec
from tests.report.conftest import make_summary

pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
PNG = draw_grid([Block("fresh", torch.zeros(1, 1, 8, 8, dtype=torch.uint8), torch.zeros(1, 3))], "abc")
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def paths(tmp_path, monkeypatch) -> RunPaths:
    monkeypatch.chdir(tmp_path)
    spec = load_spec("quickstart")
    paths = create_run(spec)
    with Ledger(paths, spec.storage, spec.name, (Choice("conv", (8, 16)),)) as ledger:
        for epoch in (1, 12):
            keep_picture(paths, PictureMade(name_trial(0), epoch, PNG))
        outcome = Outcome(0, Candidate.of({"conv": 8}), "done", {"accuracy": 0.5}, {"macs": 9.0})
        ledger.append(outcome, pictures_of(paths, name_trial(0)))
    return paths


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(port: int, *more: str) -> subprocess.Popen[str]:
    words = [sys.executable, str(ROOT / "cli.py"), "dashboard", "quickstart", "--port", str(port), *more]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def fetch(url: str, seconds: float = 40) -> bytes:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read()
        except urllib.error.URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


@pytest.mark.medium
@pytest.mark.timeout(90)
def test_the_dashboard_shows_the_runs_trials_to_this_machine_only_until_it_is_stopped(paths):
    port = free_port()
    write_summary(paths, make_summary() | {"trials": {"done": 1, "failed": 0, "cached": 0}})
    server = start(port, "--json")
    try:
        studies = json.loads(fetch(f"http://127.0.0.1:{port}/api/studies"))
        assert [study["study_name"] for study in studies["study_summaries"]] == ["quickstart"]
        page = json.loads(fetch(f"http://127.0.0.1:{port}/api/studies/{studies['study_summaries'][0]['study_id']}"))
        assert page["note"]["body"].startswith("# vgg11-cifar10: done\n")
        assert "| winner | 91.3 ± 0.4 % |" in page["note"]["body"]
        (trial,) = page["trials"]
        assert [each["filename"] for each in trial["artifacts"]] == ["0001.png", "0012.png"]
        shown = f"http://127.0.0.1:{port}/artifacts/{trial['study_id']}/{trial['trial_id']}/"
        assert fetch(shown + trial["artifacts"][1]["artifact_id"]) == PNG
        listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line]
        assert f"0100007F:{port:04X}" in listening
        assert f"00000000:{port:04X}" not in listening
    finally:
        server.send_signal(signal.SIGTERM)
        out, said = server.communicate(timeout=20)
    assert server.returncode == 143
    assert json.loads(out) == {"url": f"http://127.0.0.1:{port}/dashboard"}
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "stopped by SIGTERM"


@pytest.mark.medium
@pytest.mark.timeout(60)
def test_a_taken_port_is_one_line(paths):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = start(taken.getsockname()[1])
        _, said = server.communicate(timeout=40)
    assert server.returncode == 1
    assert said.splitlines()[-1].endswith("Address already in use; choose another with --port")
    assert "Traceback" not in said
